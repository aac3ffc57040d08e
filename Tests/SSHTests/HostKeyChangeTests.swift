import Foundation
import Logging
import Shell
import TestSupport
import Testing

@testable import SSH

/// A real sshd whose host key is another one all of a sudden.
@Suite("Host keys that change", .serialized)
struct HostKeyChangeTests {
  /// Three lanes: to the pool they are as three accounts.
  private static let names = [TestKeys.Name.ed25519, .ecdsa256, .ecdsa384]

  private func pool(
    _ server: TestServer, _ policy: HostKeyPolicy, pause: Duration, logger: Logger = .silent
  ) -> ConnectionPool {
    var configuration = PoolConfiguration()
    configuration.backoff = .milliseconds(1)...(.milliseconds(1))
    configuration.hostKeyPause = pause
    return ConnectionPool(hostKeys: policy, configuration: configuration, logger: logger)
  }

  @discardableResult
  private func run(_ pool: ConnectionPool, _ server: TestServer, _ name: TestKeys.Name = .ed25519) async throws
    -> String
  {
    try await pool.run("echo in", on: server.destination, key: TestKeys.key(name), timeout: .seconds(20)).text
  }

  /// The key that it had.
  private func restart(_ server: TestServer, _ pool: ConnectionPool, hostKey: String) async throws -> String {
    server.kill()
    for _ in 0..<500 where pool.status().contains(where: { $0.connections > 0 }) {
      try await Task.sleep(for: .milliseconds(10))
    }
    let old = try server.setHostKey(hostKey)
    try await server.start()
    return old
  }

  private func fingerprint(_ file: String) async throws -> String {
    let line = try await String(decoding: TestSupport.run("/usr/bin/ssh-keygen", "-l", "-f", file), as: UTF8.self)
    return String(line.split(separator: " ")[1])
  }

  private func rewrite(_ file: String, _ change: (String) -> String = { $0 }) throws {
    try change(String(contentsOfFile: file, encoding: .utf8)).write(toFile: file, atomically: true, encoding: .utf8)
  }

  @Test("A live pool refuses the new key, says so with both fingerprints, and tries once for all accounts")
  func underLivePool() async throws {
    let server = try await TestServer.start()
    let file = try server.knownHosts()
    let known = try await fingerprint(file)
    let log = LogRecorder()
    let pool = pool(server, .knownHosts(path: file), pause: .seconds(600), logger: log.logger)
    for name in Self.names { #expect(try await run(pool, server, name) == "in\n") }

    let old = try await restart(server, pool, hostKey: TestKeys.text(.stranger))
    for name in Self.names + Self.names {
      await #expect {
        try await run(pool, server, name)
      } throws: { error in
        guard case SSHError.hostKeyChanged(_, let offered, let keys, file) = error else { return false }
        return keys == ["ssh-ed25519 \(known)"] && offered != keys.first
      }
    }
    #expect(server.count("Connection from") == 1 && !server.log.contains("publickey"))
    let key = try TestKeys.key()
    let runner = SSHRunner(pool: pool, host: "127.0.0.1", port: server.port) { _ in key }
    let stranger = try await TestKeys.fingerprint(.stranger)
    let sentence =
      "the host key of 127.0.0.1:\(server.port) is ssh-ed25519 \(stranger), but \(file) has ssh-ed25519 \(known)"
    _ = try? await run(pool, server)
    #expect(runner.statusLines.count == 1 && runner.statusLines.first?.hasPrefix(sentence) == true)
    #expect(log.lines.filter { $0.level == .error }.count == 1, "the same is said once")
    #expect(pool.status().allSatisfy { $0.needsAttention && $0.nextAttempt != nil })

    // Back again: nobody looks, until something has changed here.
    _ = try await restart(server, pool, hostKey: old)
    await #expect(throws: SSHError.self) { try await run(pool, server) }
    #expect(server.count("Connection from") == 0)
    try rewrite(file)
    for name in Self.names { #expect(try await run(pool, server, name) == "in\n") }
    #expect(runner.statusLines.isEmpty && pool.status().allSatisfy { !$0.needsAttention })
    #expect(log.lines.contains { $0.message.hasSuffix("works again") })
  }

  @Test("Attempts go on at a slow pace however many ask, and find out when the key is the right one again")
  func pace() async throws {
    let server = try await TestServer.start()
    let pool = try pool(server, .knownHosts(path: server.knownHosts()), pause: .milliseconds(800))
    let old = try server.setHostKey(TestKeys.text(.stranger))
    server.kill()
    try await server.start()
    let end = ContinuousClock.now + .seconds(3)
    await withTaskGroup(of: Void.self) { group in
      for name in Self.names {
        group.addTask {
          while ContinuousClock.now < end {
            _ = try? await run(pool, server, name)
            try? await Task.sleep(for: .milliseconds(5))
          }
        }
      }
    }
    // The first of each account at once, then one after each pause of 0.4 to 0.8 s.
    #expect((3...11).contains(server.count("Connection from")))
    _ = try await restart(server, pool, hostKey: old)
    for _ in 0..<500 where (try? await run(pool, server)) == nil { try await Task.sleep(for: .milliseconds(10)) }
    #expect(server.logins == 1)
  }

  @Test("When told that something was changed, the next call tries at once")
  func retry() async throws {
    let server = try await TestServer.start()
    let pool = try pool(server, .knownHosts(path: server.knownHosts()), pause: .seconds(600))
    let old = try await restart(server, pool, hostKey: TestKeys.text(.stranger))
    await #expect(throws: SSHError.self) { try await run(pool, server) }
    _ = try await restart(server, pool, hostKey: old)
    pool.retryLogins()
    #expect(try await run(pool, server) == "in\n")
  }

  @Test("A first key that was kept is forgotten by taking its line away, and the new one kept at once")
  func forgetting() async throws {
    let server = try await TestServer.start()
    let file = server.directory.appendingPathComponent("kept").path
    // A line of somebody's who forgot its end.
    try "luigi.example.org ssh-ed25519 AAAA".write(toFile: file, atomically: true, encoding: .utf8)
    let log = LogRecorder()
    let pool = pool(server, .trustOnFirstUse(path: file), pause: .seconds(600), logger: log.logger)
    #expect(try await run(pool, server) == "in\n")
    #expect(try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").count == 2)

    _ = try await restart(server, pool, hostKey: TestKeys.text(.stranger))
    for _ in 0..<3 {
      await #expect {
        try await run(pool, server)
      } throws: { if case SSHError.hostKeyChanged = $0 { true } else { false } }
    }
    #expect(server.count("Connection from") == 1)
    try rewrite(file) { $0.split(separator: "\n").prefix(1).joined() + "\n" }
    #expect(try await run(pool, server) == "in\n")
    let stranger = try await TestKeys.fingerprint(.stranger)
    #expect(log.lines.filter { $0.level == .notice && $0.message.contains(stranger) }.count == 1)
  }

  @Test(
    "Markers are obeyed, and the host is asked for a key that can be trusted",
    arguments: [
      ("NAME ED\n@revoked * ED\n", [TestKeys.Kind.ed25519], "is marked @revoked in"),
      ("@cert-authority * ED\n", [.ed25519], "only a @cert-authority line"),
      ("NAME ED\nNAME EC\n@revoked NAME ED\n", [.ed25519, .ecdsa], nil),
      ("NAME EC\n@cert-authority * ED\n", [.ed25519, .ecdsa], nil),
      ("NAME ED\nNAME EC\n@revoked NAME EC\n", [.ed25519, .ecdsa], nil),
    ] as [(String, [TestKeys.Kind], String?)])
  func markers(lines: String, kinds: [TestKeys.Kind], refusal: String?) async throws {
    let server = try await TestServer.start(hostKeys: kinds)
    let file = try server.knownHosts(kinds)
    try rewrite(file) { known in
      let keys = known.split(separator: "\n").map { $0.split(separator: " ")[1...2].joined(separator: " ") }
      return lines.replacingOccurrences(of: " ED\n", with: " \(keys[0])\n")
        .replacingOccurrences(of: " EC\n", with: " \(keys[keys.count - 1])\n")
        .replacingOccurrences(of: "NAME", with: "[127.0.0.1]:\(server.port)")
    }
    let pool = pool(server, .knownHosts(path: file), pause: .seconds(600))
    guard let refusal else {
      #expect(try await run(pool, server) == "in\n")
      return
    }
    for _ in 0..<3 {
      await #expect { try await run(pool, server) } throws: { "\($0)".contains(refusal) }
    }
    #expect(server.count("Connection from") == 1 && !server.log.contains("publickey"))
    #expect(pool.counters == PoolCounters())
  }

  @Test("Without the file no host is troubled, and it counts as soon as it is there")
  func missing() async throws {
    let server = try await TestServer.start()
    let file = try server.knownHosts()
    let pool = pool(server, .knownHosts(path: file + "-later"), pause: .seconds(600))
    await #expect { try await run(pool, server) } throws: {
      "\($0)".contains("cannot be read (no such file or directory)")
    }
    #expect(server.count("Connection from") == 0)
    try FileManager.default.copyItem(atPath: file, toPath: file + "-later")
    #expect(try await run(pool, server) == "in\n")
  }
}

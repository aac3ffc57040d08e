import Foundation
import Logging
import Shell
import Support
import TestSupport
import Testing

@testable import SSH

@Suite("Jump hosts", .serialized)
struct JumpHostTests {
  /// An inner server that lets nobody in but through the outer one: their addresses differ.
  struct Rig {
    let inner: TestServer
    let outer: TestServer
    let pool: ConnectionPool
    let log = LogRecorder()
    var key: PrivateKey
    var jump: JumpHost

    init(
      outerOptions: [String] = [], jumpKey: TestKeys.Name = .ecdsa256,
      knows: (inner: Bool, outer: Bool) = (true, true), _ adjust: (inout PoolConfiguration) -> Void = { _ in }
    ) async throws {
      inner = try await TestServer.start()
      outer = try await TestServer.start(options: outerOptions)
      let lines = [knows.inner ? inner : nil, knows.outer ? outer : nil].compactMap(\.self)
        .map { try? String(contentsOfFile: $0.knownHosts(), encoding: .utf8) }
      let file = outer.directory.appendingPathComponent("both").path
      try lines.compactMap(\.self).joined().write(toFile: file, atomically: true, encoding: .utf8)
      var configuration = PoolConfiguration()
      configuration.backoff = .milliseconds(1)...(.milliseconds(2))
      adjust(&configuration)
      pool = ConnectionPool(hostKeys: .knownHosts(path: file), configuration: configuration, logger: log.logger)
      key = try TestKeys.key()
      jump = JumpHost(host: "127.0.0.1", port: outer.port, user: NSUserName(), key: try TestKeys.key(jumpKey))
    }

    var destination: Destination {
      Destination(host: "127.0.0.1", port: inner.port, user: NSUserName(), via: jump)
    }

    func run(_ command: String, timeout: Duration = .seconds(20)) async throws -> CommandOutput {
      try await pool.run(command, on: destination, key: key, timeout: timeout)
    }
  }

  @Test("A command runs on the inner host, each host is logged in to with its own key, and once")
  func passage() async throws {
    let rig = try await Rig()
    for number in 0..<5 {
      #expect(try await rig.run("echo \(number) $SSH_CONNECTION").text.contains("\(number) 127.0.0.1"))
    }
    #expect(rig.inner.logins == 1 && rig.outer.logins == 1)
    #expect(try await rig.inner.log.contains("ED25519 \(TestKeys.fingerprint(.ed25519))"))
    #expect(try await rig.outer.log.contains("ECDSA \(TestKeys.fingerprint(.ecdsa256))"))
    #expect(rig.outer.sessions == 0)
    #expect(Set(rig.pool.status().map(\.destination)) == [rig.destination, rig.jump.destination])
  }

  @Test("Much goes through, both ways, and many commands at once")
  func volume() async throws {
    let rig = try await Rig()
    let block = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let source = Pull(
      AsyncStream {
        for _ in 0..<30 { $0.yield(block) }
        $0.finish()
      })
    let back = Answers()
    async let output = rig.pool.stream(
      "cat", on: rig.destination, key: rig.key, input: .chunks { await source.next() }
    ) { await back.add($0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<40 {
        group.addTask {
          let output = try await rig.run("echo \(number)")
          #expect(output.text == "\(number)\n")
        }
      }
      try await group.waitForAll()
    }
    #expect(try await output.exitStatus == 0)
    #expect(await back.bytes == Array(repeating: block, count: 30).flatMap { $0 })
    #expect(rig.outer.logins == 1)
  }

  @Test("The keys of both hosts are checked", arguments: [true, false])
  func hostKeys(isInner: Bool) async throws {
    let rig = try await Rig(knows: (!isInner, isInner))
    await #expect {
      _ = try await rig.run("true")
    } throws: {
      "\($0)".contains("is not in") && "\($0)".contains("127.0.0.1:\(isInner ? rig.inner.port : rig.outer.port)")
    }
    #expect(rig.inner.logins == 0)
  }

  @Test("The loss of either host is noticed, and the next command finds a new way", arguments: [true, false])
  func loss(isInner: Bool) async throws {
    let rig = try await Rig()
    let file = rig.inner.directory.appendingPathComponent("begun").path
    let task = Task { try await rig.run("touch \(file); sleep 20") }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    let server = isInner ? rig.inner : rig.outer
    server.kill()
    let start = ContinuousClock.now
    await #expect(throws: SSHError.disconnected(rig.destination, started: true)) { try await task.value }
    #expect(ContinuousClock.now - start < .seconds(10))
    try await server.start()
    #expect(try await rig.run("echo again").text == "again\n")
  }

  @Test("A jump host that falls silent is noticed")
  func silence() async throws {
    let rig = try await Rig { $0.keepalive = .milliseconds(300) }
    let file = rig.inner.directory.appendingPathComponent("begun").path
    let task = Task { try await rig.run("touch \(file); sleep 20") }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    let stopped = rig.outer.descendants()
    for pid in stopped { kill(pid, SIGSTOP) }
    let start = ContinuousClock.now
    await #expect(throws: SSHError.disconnected(rig.destination, started: true)) { try await task.value }
    #expect(ContinuousClock.now - start < .seconds(15))
    for pid in stopped { kill(pid, SIGCONT) }
  }

  @Test("What keeps one from the inner host is said: the port, the policy of the jump host, its login")
  func reasons() async throws {
    let rig = try await Rig()
    rig.inner.kill()
    await #expect { _ = try await rig.run("true") } throws: { "\($0)".contains("cannot connect to it (") }
    let closed = try await Rig(outerOptions: ["AllowTcpForwarding no"])
    await #expect { _ = try await closed.run("true") } throws: { "\($0)".contains("cannot connect to it (") }
    let stranger = try await Rig(jumpKey: .stranger)
    await #expect { _ = try await stranger.run("true") } throws: { "\($0)".contains("refuses the login") }
  }

  @Test("A key that the jump host refuses is tried once, however many hosts are behind it")
  func refusedOnce() async throws {
    let rig = try await Rig(jumpKey: .stranger)
    await withTaskGroup(of: Void.self) { group in
      for port in 1...6 {
        group.addTask {
          let behind = Destination(host: "127.0.0.1", port: port, user: NSUserName(), via: rig.jump)
          await #expect {
            _ = try await rig.pool.run("true", on: behind, key: rig.key, timeout: .seconds(20))
          } throws: { "\($0)".contains("refuses the login") }
        }
      }
    }
    #expect(rig.outer.count("Connection from") == 1)
  }

  @Test("A runner goes by way of a jump host")
  func runner() async throws {
    let rig = try await Rig()
    let runner = SSHRunner(pool: rig.pool, host: "127.0.0.1", port: rig.inner.port, via: rig.jump) { _ in rig.key }
    let result = try await runner.run(Command(["echo", "in"]), as: NSUserName(), timeout: .seconds(20))
    #expect(result.stdout == Array("in\n".utf8) && runner.statusLines.isEmpty)
    rig.inner.kill()
    await #expect(throws: RunError.self) {
      for _ in 0..<3 { _ = try await runner.run(Command(["true"]), as: NSUserName(), timeout: .seconds(20)) }
    }
    #expect(runner.statusLines.allSatisfy { $0.contains("via 127.0.0.1:\(rig.outer.port)") })
  }
}

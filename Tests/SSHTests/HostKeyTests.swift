import Foundation
import Logging
import SSH
import Synchronization
import TestSupport
import Testing

@testable import SSH

@Suite("Host keys", .serialized)
struct HostKeyTests {
  private func attempt(_ server: TestServer, _ policy: HostKeyPolicy, logger: Logger = .silent) async throws {
    let pool = ConnectionPool(hostKeys: policy, logger: logger)
    _ = try await pool.run("true", on: server.destination, key: TestKeys.key(), timeout: .seconds(20))
  }

  @Test("An unknown host is refused before any login, and the error says how to make it known")
  func unknown() async throws {
    let server = try await TestServer.start()
    let file = server.directory.appendingPathComponent("empty").path
    try "".write(toFile: file, atomically: true, encoding: .utf8)
    await #expect {
      try await attempt(server, .knownHosts(path: file))
    } throws: { error in
      guard case SSHError.hostKeyUnknown = error else { return false }
      return "\(error)".contains("ssh-keyscan -p \(server.port) 127.0.0.1") && "\(error)".contains("SHA256:")
    }
    #expect(server.logins == 0 && !server.log.contains("publickey"))
  }

  @Test("A known hosts file that is missing is said to be missing")
  func missing() async throws {
    let server = try await TestServer.start()
    await #expect {
      try await attempt(server, .knownHosts(path: "/no/such/file"))
    } throws: { "\($0)".contains("/no/such/file cannot be read (no such file or directory)") }
  }

  @Test("A changed host key is refused, and the error shows both")
  func changed() async throws {
    let server = try await TestServer.start()
    let other = try await TestServer.start()
    let line = try String(contentsOfFile: other.knownHosts(), encoding: .utf8)
    let file = server.directory.appendingPathComponent("wrong").path
    try line.replacingOccurrences(of: ":\(other.port)", with: ":\(server.port)")
      .write(toFile: file, atomically: true, encoding: .utf8)
    await #expect {
      try await attempt(server, .knownHosts(path: file))
    } throws: { error in
      guard case SSHError.hostKeyChanged(_, let offered, let known, _) = error else { return false }
      return known.count == 1 && known.first != offered && "\(error)".contains(offered)
    }
    #expect(server.logins == 0)
  }

  @Test("The host is asked for a key of a kind that is known of it", arguments: [TestKeys.Kind.ed25519, .ecdsa])
  func preference(kind: TestKeys.Kind) async throws {
    let server = try await TestServer.start(hostKeys: [.ed25519, .ecdsa])
    try await attempt(server, .knownHosts(path: server.knownHosts([kind])))
  }

  @Test("A hashed known hosts file, as Debian's ssh writes it, is understood")
  func hashed() async throws {
    let server = try await TestServer.start()
    let file = try server.knownHosts()
    try await run("/usr/bin/ssh-keygen", "-q", "-H", "-f", file)
    #expect(try String(contentsOfFile: file, encoding: .utf8).hasPrefix("|1|"))
    try await attempt(server, .knownHosts(path: file))
  }

  @Test("On first use the key is kept in a private file and logged; another key is refused from then on")
  func trustOnFirstUse() async throws {
    let server = try await TestServer.start()
    let file = server.directory.appendingPathComponent("kept").path
    let log = LogRecorder()
    try await attempt(server, .trustOnFirstUse(path: file), logger: log.logger)
    try await attempt(server, .trustOnFirstUse(path: file), logger: log.logger)
    let text = try String(contentsOfFile: file, encoding: .utf8)
    #expect(text.split(separator: "\n").count == 1)
    let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    #expect(log.lines.filter { $0.message.contains("SHA256:") }.count == 1)

    let other = try await TestServer.start()
    try text.replacingOccurrences(of: ":\(server.port)", with: ":\(other.port)")
      .write(toFile: file, atomically: true, encoding: .utf8)
    await #expect {
      try await attempt(other, .trustOnFirstUse(path: file))
    } throws: { if case SSHError.hostKeyChanged = $0 { true } else { false } }
  }
}

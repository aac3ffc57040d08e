import Foundation
import Logging
import SSH
import Synchronization
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
    } throws: { "\($0)".contains("/no/such/file cannot be read (no such file)") }
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
    let messages = Messages()
    let logger = Logger(label: "test") { _ in messages }
    try await attempt(server, .trustOnFirstUse(path: file), logger: logger)
    try await attempt(server, .trustOnFirstUse(path: file), logger: logger)
    let text = try String(contentsOfFile: file, encoding: .utf8)
    #expect(text.split(separator: "\n").count == 1)
    let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    #expect(messages.all.filter { $0.contains("SHA256:") }.count == 1)

    let other = try await TestServer.start()
    try text.replacingOccurrences(of: ":\(server.port)", with: ":\(other.port)")
      .write(toFile: file, atomically: true, encoding: .utf8)
    await #expect {
      try await attempt(other, .trustOnFirstUse(path: file))
    } throws: { if case SSHError.hostKeyChanged = $0 { true } else { false } }
  }

  /// Keeps what is logged.
  private final class Messages: LogHandler, @unchecked Sendable {
    private let kept = Mutex<[String]>([])
    var all: [String] { kept.withLock { $0 } }
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { nil }
      set {}
    }
    func log(event: LogEvent) { kept.withLock { $0.append("\(event.message)") } }
  }

  private static let blob: [UInt8] = {
    var writer = WireWriter()
    writer.string("ssh-ed25519")
    writer.string([UInt8](repeating: 7, count: 32))
    return writer.bytes
  }()
  private static let key = "ssh-ed25519 " + Data(blob).base64EncodedString()
  private static let otherKey = "ssh-ed25519 " + Data(blob.dropLast() + [8]).base64EncodedString()

  @Test(
    "A known hosts file says of a key what sshd(8) says that it says",
    arguments: [
      ("kart.example.org \(key)", 22, .trusted),
      ("a,kart.example.org,b \(key) a comment", 22, .trusted),
      ("KART.example.org \(key)", 22, .trusted),
      ("# kart.example.org \(key)\n\n   \nrubbish\nkart.example.org \(key)", 22, .trusted),
      ("*.example.org \(key)", 22, .trusted),
      ("k?rt.*.org \(key)", 22, .trusted),
      ("*.example.org,!kart.example.org \(key)", 22, .unknown(others: [])),
      ("*.example.com \(key)", 22, .unknown(others: [])),
      ("kart.example.org \(key)", 2222, .unknown(others: [])),
      ("[kart.example.org]:2222 \(key)", 2222, .trusted),
      ("[*.example.org]:2222 \(key)", 2222, .trusted),
      ("[kart.example.org]:2222 \(key)", 22, .unknown(others: [])),
      ("kart.example.org \(otherKey)\nkart.example.org \(key)", 22, .trusted),
      ("@revoked * \(key)\nkart.example.org \(key)", 22, .revoked),
      ("@revoked * \(otherKey)\nkart.example.org \(key)", 22, .trusted),
      ("@cert-authority *.example.org \(key)", 22, .certificateAuthorityOnly),
      ("@cert-authority *.example.org \(otherKey)\nkart.example.org \(key)", 22, .trusted),
      ("kart.example.org ssh-ed25519 !!!!", 22, .unknown(others: [])),
      ("kart.example.org ssh-rsa \(key.split(separator: " ")[1])", 22, .unknown(others: [])),
    ] as [(String, Int, KnownHosts.Verdict)])
  func verdicts(text: String, port: Int, verdict: KnownHosts.Verdict) throws {
    let offered = try #require(KnownHosts.Key(blob: Self.blob))
    #expect(KnownHosts(text).verdict(on: offered, host: "Kart.example.org", port: port) == verdict)
  }

  @Test("A key of the same kind that differs is a change")
  func change() throws {
    let offered = try #require(KnownHosts.Key(blob: Self.blob))
    let known = KnownHosts("kart.example.org \(Self.otherKey)")
    guard case .changed(let fingerprints) = known.verdict(on: offered, host: "kart.example.org", port: 22) else {
      Issue.record("not noticed")
      return
    }
    #expect(fingerprints.count == 1)
  }
}

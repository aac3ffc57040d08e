import Foundation
import Support
import TestSupport
import Testing

@testable import SSH

@Suite("Private keys")
struct PrivateKeyTests {
  @Test("Kind and fingerprint are those that ssh-keygen shows", arguments: TestKeys.accepted)
  func fingerprint(name: TestKeys.Name) async throws {
    let key = try TestKeys.key(name)
    #expect(try await key.fingerprint == TestKeys.fingerprint(name))
    #expect(try TestKeys.publicText(name).hasPrefix(key.kind.rawValue + " "))
  }

  @Test("A key survives base64, CRLF, indentation, and missing or escaped newlines")
  func forms() async throws {
    let text = try TestKeys.text(.ed25519)
    let fingerprint = try await TestKeys.fingerprint(.ed25519)
    let lines = text.split(separator: "\n")
    let forms = [
      text, Data(text.utf8).base64EncodedString(),
      Data(text.utf8).base64EncodedString(options: .lineLength64Characters),
      lines.joined(separator: "\r\n"), lines.joined(separator: "\n    "), lines.joined(separator: " "),
      lines.joined(separator: #"\n"#) + #"\n"#, "\"" + lines.joined(separator: #"\r\n"#) + "\"", "\u{feff}" + text,
      Data(text.utf8).base64EncodedString(options: .lineLength64Characters).replacing("\r\n", with: #"\n"#),
    ]
    for form in forms { #expect(try PrivateKey(text: form).fingerprint == fingerprint) }
  }

  @Test("What cannot be used is refused with the way out")
  func refusals() throws {
    let good = try TestKeys.text(.ed25519)
    let lines = good.split(separator: "\n")
    let cases: [(String, KeyError, String)] = [
      ("", .notAKey, "id_ed25519"),
      ("hello", .notAKey, "id_ed25519"),
      (try TestKeys.publicText(.ed25519), .publicKey, ".pub"),
      (try TestKeys.text(.rsa), .rsa, "ssh-keygen -t ed25519"),
      ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", .rsa, "ssh-keygen -t ed25519"),
      (try TestKeys.text(.pem), .foreignFormat("PEM"), "ssh-keygen -p"),
      (try TestKeys.text(.pkcs8), .foreignFormat("PEM"), "ssh-keygen -p"),
      ("-----BEGIN ENCRYPTED PRIVATE KEY-----", .foreignFormat("PEM"), "ssh-keygen -p"),
      ("PuTTY-User-Key-File-3: ssh-ed25519", .foreignFormat("PuTTY"), "puttygen"),
      (lines.dropLast().joined(separator: "\n"), .damaged, "incomplete"),
      ((lines.prefix(2) + lines.suffix(1)).joined(separator: "\n"), .damaged, "damaged"),
      (try TestKeys.text(.encrypted), .encrypted, "passphrase"),
    ]
    for (text, expected, hint) in cases {
      #expect(throws: expected) { try PrivateKey(text: text) }
      #expect(expected.description.contains(hint))
    }
  }

  @Test(
    "What is said to turn a key in another format into one that can be used does",
    arguments: [TestKeys.Name.pem, .pkcs8])
  func conversion(name: TestKeys.Name) async throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("key-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    let contents = try Data(TestKeys.text(name).utf8)
    _ = FileManager.default.createFile(atPath: file.path, contents: contents, attributes: [.posixPermissions: 0o600])
    try await run("/usr/bin/ssh-keygen", "-q", "-p", "-P", "", "-N", "", "-f", file.path)
    let key = try PrivateKey(text: String(contentsOf: file, encoding: .utf8))
    #expect(try await key.fingerprint == TestKeys.fingerprint(name))
  }

  @Test("An RSA key is taken where libssh2 can use it, and only there")
  func rsa() async throws {
    let text = try TestKeys.text(.rsa)
    #expect(throws: KeyError.rsa) { try PrivateKey(text: text, passphrase: nil, hasRSA: false) }
    #expect(KeyError.rsa.description.contains("\(Session.libssh2Version) is installed"))
    let key = try PrivateKey(text: text, passphrase: nil, hasRSA: true)
    #expect(key.kind == .rsa)
    #expect(try await key.fingerprint == TestKeys.fingerprint(.rsa))
    #expect(throws: KeyError.foreignFormat("PEM")) {
      try PrivateKey(text: "-----BEGIN RSA PRIVATE KEY-----\n", passphrase: nil, hasRSA: true)
    }
    #expect((try? PrivateKey(text: text)) != nil || !Session.hasRSA)

    // A server that still takes the old signature, so that any libssh2 can log in.
    let server = try await TestServer.start(options: ["PubkeyAcceptedAlgorithms +ssh-rsa"])
    try TestKeys.publicText(.rsa)
      .write(to: server.directory.appendingPathComponent("authorized_keys"), atomically: true, encoding: .utf8)
    let output = try await server.pool().run("echo in", on: server.destination, key: key, timeout: .seconds(20))
    #expect(output.text == "in\n")
  }

  @Test("A passphrase is checked when the key is read")
  func passphrase() throws {
    let text = try TestKeys.text(.encrypted)
    #expect(throws: KeyError.wrongPassphrase) { try PrivateKey(text: text, passphrase: "open barley") }
    #expect(throws: KeyError.encrypted) { try PrivateKey(text: text, passphrase: "") }
    #expect(try PrivateKey(text: text, passphrase: TestKeys.passphrase).kind == .ed25519)
    #expect(try PrivateKey(text: TestKeys.text(.ed25519), passphrase: "not needed").kind == .ed25519)
  }

  @Test("No way of printing a key shows it")
  func secrecy() throws {
    let key = try TestKeys.key(.encrypted)
    var dumped = ""
    dump(key, to: &dumped)
    dump(["key": key], to: &dumped)
    let printed = "\(key) \(String(reflecting: key)) \(String(describing: [key])) \(dumped)"
    #expect(printed.contains(key.fingerprint))
    #expect(!printed.contains("BEGIN") && !printed.contains(TestKeys.passphrase) && !printed.contains("pem"))
  }
}

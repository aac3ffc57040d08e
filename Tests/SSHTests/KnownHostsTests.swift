import Foundation
import TestSupport
import Testing

@testable import SSH

/// Each file is shown to ssh itself too, which connects to a real sshd with two host keys.
@Suite("Known hosts files")
struct KnownHostsTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// `<ED>` and `<EC>` are the keys of the server, `<OTHER>` and `<OTHER-EC>` (of another curve) are not.
    let file: String
    let verdict: Outcome
    var host = "Kart.Example.org"
    var port = 22
    /// Whether ssh-keygen shall hash the names.
    var isHashed = false
    /// What ssh does, where we are stricter on purpose.
    var ssh: Outcome?

    init(
      _ description: String, _ file: String, _ verdict: Outcome, host: String = "Kart.Example.org", port: Int = 22,
      hashed: Bool = false, ssh: Outcome? = nil
    ) {
      testDescription = description
      (self.file, self.verdict, self.host, self.port, self.ssh) = (file, verdict, host, port, ssh)
      isHashed = hashed
    }
  }

  enum Outcome: Sendable { case trusted, revoked, changed, unknown }

  static let cases: [Case] = [
    Case("an empty file", "", .unknown),
    Case("a name", "kart.example.org <ED>", .trusted),
    Case("a name in capitals", "KART.EXAMPLE.ORG <ED>", .trusted),
    Case("another name", "kart.example.com <ED>", .unknown),
    Case("a name that begins the same", "kart.example.org.evil.com <ED>", .unknown),
    Case("a list of names", "a,kart.example.org,b <ED>", .trusted),
    Case("a list with empty names", ",,kart.example.org, <ED>", .trusted),
    Case("a comment at the end", "kart.example.org <ED> kart, made in 2020 # really", .trusted),
    Case(
      "comments, blank lines and rubbish", "# kart.example.org <OTHER>\n\n  \t\nrubbish\n\nkart.example.org <ED>",
      .trusted),
    Case("a comment after the name", "kart.example.org #<ED>", .unknown),
    Case("CRLF", "a <OTHER>\r\nkart.example.org <ED>\r\n", .trusted),
    Case("CRLF after a comment", "kart.example.org <ED> comment\r\n", .trusted),
    Case("tabs and spaces around everything", " \t kart.example.org \t  <TABBED>", .trusted),
    Case(
      "bytes that are no UTF-8, and odd ends of lines, in comments",
      "a <OTHER> \u{b}\u{85}\u{2028}\nkart.example.org <ED> \u{2028}kart.example.org <OTHER>", .trusted),
    Case("a line without a key", "kart.example.org\nkart.example.org ssh-ed25519", .unknown),
    Case("base64 that is none", "kart.example.org ssh-ed25519 !!!!", .unknown),
    Case("a key cut short", "kart.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", .unknown),
    Case("a key under another kind's name", "kart.example.org ecdsa-sha2-nistp256 <BASE64>", .unknown),
    Case("another key", "kart.example.org <OTHER>", .changed),
    Case("another key of another kind", "kart.example.org <OTHER-EC>", .changed),
    Case("another key first, the right one later", "kart.example.org <OTHER>\nkart.example.org <ED>", .trusted),
    Case(
      "several keys per host", "kart.example.org <OTHER-EC>\nkart.example.org <EC>\nkart.example.org <ED>", .trusted),
    Case("only the key that the server would not show by itself", "kart.example.org <EC>", .trusted),
    Case("a star", "* <ED>", .trusted),
    Case("a star in front", "*.example.org <ED>", .trusted),
    Case("stars and question marks", "k?rt.*.o*g <ED>", .trusted),
    Case("a question mark too many", "kart?.example.org <ED>", .unknown),
    Case("a star for the wrong domain", "*.example.com <ED>", .unknown),
    Case("a negated name after a star", "*.example.org,!kart.example.org <ED>", .unknown),
    Case("a negated name before a star", "!kart.example.org,* <ED>", .unknown),
    Case("a negated star", "kart.example.org,!*.org <ED>", .unknown),
    Case("a negated name of another host", "!luigi.example.org,*.example.org <ED>", .trusted),
    Case("nothing but a negated name", "!luigi.example.org <ED>", .unknown),
    Case("a port", "[kart.example.org]:2222 <ED>", .trusted, port: 2222),
    Case("another port", "[kart.example.org]:2223 <ED>", .unknown, port: 2222),
    Case("a port where there is none", "[kart.example.org]:2222 <ED>", .unknown),
    Case("a name without the port", "kart.example.org <ED>", .trusted, port: 2222),
    Case("another key for the name without the port", "kart.example.org <OTHER>", .unknown, port: 2222),
    Case(
      "another key for the port, the right one without", "[kart.example.org]:2222 <OTHER>\nkart.example.org <ED>",
      .changed,
      port: 2222),
    Case("a star for a port", "[*.example.org]:2222 <ED>", .trusted, port: 2222),
    Case("an address", "192.0.2.7 <ED>", .trusted, host: "192.0.2.7"),
    Case("an address with a port", "[192.0.2.7]:2222 <ED>", .trusted, host: "192.0.2.7", port: 2222),
    Case("a net of addresses by stars", "192.0.2.* <ED>", .trusted, host: "192.0.2.7"),
    Case("an IPv6 address", "2001:db8::a <ED>", .trusted, host: "2001:DB8::A"),
    Case("an IPv6 address with a port", "[2001:db8::a]:2222 <ED>", .trusted, host: "2001:db8::a", port: 2222),
    Case("a hashed name", "kart.example.org <ED>", .trusted, hashed: true),
    Case("a hashed name with a port", "[kart.example.org]:2222 <ED>", .trusted, port: 2222, hashed: true),
    Case("a hashed list", "a,kart.example.org,b <ED>", .trusted, hashed: true),
    Case("another hashed name", "luigi.example.org <ED>", .unknown, hashed: true),
    Case("another key under a hashed name", "kart.example.org <OTHER>", .changed, hashed: true),
    Case("hashes that are none", "|1|AAAA|BBBB <ED>\n|1| <ED>\n| <ED>\n|2|AAAA|BBBB <ED>", .unknown),
    Case("a revoked key", "@revoked kart.example.org <ED>", .revoked),
    Case("a revoked key that another line trusts", "kart.example.org <ED>\n@revoked * <ED>", .revoked),
    Case("a revoked key that is another one", "@revoked * <OTHER>\nkart.example.org <ED>", .trusted),
    Case("a revoked key of another host", "@revoked luigi.example.org <ED>\nkart.example.org <ED>", .trusted),
    Case(
      "a revoked key and another of the server's", "kart.example.org <ED>\n@revoked * <ED>\nkart.example.org <EC>",
      .trusted),
    Case(
      "a revoked key alone, of the name without the port", "@revoked kart.example.org <ED>", .revoked, port: 2222),
    Case(
      "a marker with a tab behind", "@revoked\tkart.example.org <ED>\nkart.example.org <ED>", .revoked, ssh: .trusted),
    Case("a marker that nobody knows", "@trusted kart.example.org <ED>", .unknown),
    Case("two markers", "@revoked @revoked kart.example.org <ED>\nkart.example.org <ED>", .trusted),
    Case("an authority", "@cert-authority *.example.org <ED>", .unknown),
    Case("an authority and a key", "@cert-authority *.example.org <OTHER>\nkart.example.org <ED>", .trusted),
  ]

  @Test("A file says of a host what it says to ssh", arguments: cases)
  func verdicts(test: Case) async throws {
    let folder = try Self.folder.get()
    var text = test.file
    for name in ["ED", "EC", "OTHER", "OTHER-EC", "BASE64", "TABBED"] {
      text = text.replacingOccurrences(of: "<\(name)>", with: try Self.publicKey(name))
    }
    let file = folder.appendingPathComponent("known-\(UUID().uuidString)").path
    try (text + "\n").write(toFile: file, atomically: true, encoding: .utf8)
    if test.isHashed {
      try await run("/usr/bin/ssh-keygen", "-q", "-H", "-f", file)
      try #require(try String(contentsOfFile: file, encoding: .utf8).hasPrefix("|1|"))
    }
    #expect(try await Self.ssh(test.host, test.port, file) == test.ssh ?? test.verdict, "ssh's own verdict")

    let destination = Destination(host: test.host, port: test.port, user: "nobody")
    let offered = try #require(
      try HostKeyPolicy.knownHosts(path: file).algorithms(for: destination).first {
        ["ssh-ed25519", "ecdsa-sha2-nistp256"].contains($0)
      })
    let base64 = try Self.publicKey(offered == "ssh-ed25519" ? "ED" : "EC").split(separator: " ")[1]
    let key = try #require(Data(base64Encoded: String(base64)).flatMap { KnownHosts.Key(blob: Array($0)) })
    let known = try KnownHosts(Array(Data(contentsOf: URL(fileURLWithPath: file))))
    let outcome: Outcome =
      switch known.verdict(on: key, host: test.host, port: test.port) {
      case .trusted: .trusted
      case .revoked: .revoked
      case .changed: .changed
      case .unknown, .certificateAuthorityOnly: .unknown
      }
    #expect(outcome == test.verdict)
  }

  @Test("No bytes whatever bring the reader down, or make an unknown key trusted")
  func rubbish() throws {
    var generator = SystemRandomNumberGenerator()
    let pieces = [
      "kart.example.org", "*", "!", ",", "|1|", "|", "@revoked", "@cert-authority", "@", "#", " ", "\t", "\r", "\n",
      "\0",
      "ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAI", "=", "[", "]:22", "\u{fffd}", "AAAA", "/////w==",
    ].map { Array($0.utf8) }
    let key = try Data(base64Encoded: String(Self.publicKey("ED").split(separator: " ")[1]))
    let offered = try #require(key.flatMap { KnownHosts.Key(blob: Array($0)) })
    for _ in 0..<3000 {
      let bytes = (0..<Int.random(in: 0...40, using: &generator)).flatMap { _ in
        Bool.random() ? pieces.randomElement() ?? [] : [UInt8.random(in: 0...255, using: &generator)]
      }
      #expect(KnownHosts(bytes).verdict(on: offered, host: "kart.example.org", port: 22) != .trusted)
      _ = KnownHosts.Key(blob: bytes)
    }
  }

  // MARK: ssh

  private static let folder: Result<URL, any Error> = Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("known-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    if getuid() == 0 {
      try? FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
    }
    for (name, options) in [
      ("ED", ["-t", "ed25519"]), ("EC", ["-t", "ecdsa"]), ("OTHER", ["-t", "ed25519"]),
      ("OTHER-EC", ["-t", "ecdsa", "-b", "384"]),
    ] {
      try Child(["/usr/bin/ssh-keygen", "-q", "-N", "", "-f", folder.path + "/" + name] + options).wait()
    }
    let lines = ["HostKey \(folder.path)/ED", "HostKey \(folder.path)/EC", "StrictModes no", "UsePAM no"]
    try (lines.joined(separator: "\n") + "\n")
      .write(to: folder.appendingPathComponent("sshd_config"), atomically: true, encoding: .utf8)
    atexit { if let made = try? KnownHostsTests.folder.get() { try? FileManager.default.removeItem(at: made) } }
    return folder
  }

  private static func publicKey(_ name: String) throws -> String {
    if name == "BASE64" { return String(try publicKey("ED").split(separator: " ")[1]) }
    if name == "TABBED" { return try publicKey("ED").replacingOccurrences(of: " ", with: "\t \t") }
    let text = try String(contentsOf: folder.get().appendingPathComponent("\(name).pub"), encoding: .utf8)
    return text.split(separator: " ").prefix(2).joined(separator: " ")
  }

  /// What ssh says of the server's key, of which it believes that it comes from that host.
  private static func ssh(_ host: String, _ port: Int, _ file: String) async throws -> Outcome {
    let folder = try folder.get().path
    let output = try await run(
      "/bin/sh", "-c", "exec \"$@\" 2>&1", "sh", "/usr/bin/ssh", "-T", "-F", "/dev/null", "-p", "\(port)", "-l",
      "nobody",
      "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null",
      "-o", "UserKnownHostsFile=\(file)", "-o", "PubkeyAuthentication=no", "-o", "KexAlgorithms=curve25519-sha256",
      "-o", "ProxyCommand=/usr/sbin/sshd -i -f \(folder)/sshd_config -E \(folder)/log", host)
    let text = String(decoding: output, as: UTF8.self)
    for (sign, outcome) in [
      ("REVOKED HOST KEY", Outcome.revoked), ("IDENTIFICATION HAS CHANGED", .changed),
      ("host key is known for", .unknown), ("Permission denied", .trusted),
    ] where text.contains(sign) {
      return outcome
    }
    throw Unexpected(text: text)
  }

  private struct Unexpected: Error {
    let text: String
  }
}

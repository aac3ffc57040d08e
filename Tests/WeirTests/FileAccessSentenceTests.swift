import Foundation
import Testing

@testable import weir

@Suite("What is said of a file with a wrong mode")
struct FileAccessSentenceTests {
  /// A mode, and what is said of a file with it: of one with secrets, and of one that everybody may read.
  struct Row: Sendable, CustomTestStringConvertible {
    let mode: Int
    let secret: String?
    let plain: String?
    var testDescription: String { String(mode, radix: 8) }

    init(_ mode: Int, secret: String?, plain: String?) { (self.mode, self.secret, self.plain) = (mode, secret, plain) }
  }

  private static let holds = "it holds secrets and other accounts can"

  static let rows = [
    Row(0o600, secret: nil, plain: nil), Row(0o400, secret: nil, plain: nil),
    Row(0o640, secret: nil, plain: nil), Row(0o604, secret: "\(holds) read it", plain: nil),
    Row(0o644, secret: "\(holds) read it", plain: nil), Row(0o444, secret: "\(holds) read it", plain: nil),
    Row(0o620, secret: "\(holds) change it", plain: "accounts of its group can change it"),
    Row(0o660, secret: "\(holds) change it", plain: "accounts of its group can change it"),
    Row(0o664, secret: "\(holds) read and change it", plain: "accounts of its group can change it"),
    Row(0o602, secret: "every account can change it", plain: "every account can change it"),
    Row(0o622, secret: "every account can change it", plain: "every account can change it"),
    Row(0o666, secret: "every account can change it", plain: "every account can change it"),
    Row(0o777, secret: "every account can change it", plain: "every account can change it"),
  ]

  @Test("What is wrong, which mode is right, and the command that sets it", arguments: rows)
  func sentences(row: Row) throws {
    let files = try Files()
    let path = try files.write("file", "text")
    #expect(chmod(path, mode_t(row.mode)) == 0)
    let mode = String(row.mode, radix: 8)
    let secret = row.secret.map { "\(path): \($0) (mode \(mode), expected 600); run `chmod go-rwx \(path)`" }
    let plain = row.plain.map { "\(path): \($0) (mode \(mode), expected 644); run `chmod go-w \(path)`" }
    #expect(FileAccess(of: path, holdsSecret: true)?.sentence == secret)
    #expect(FileAccess(of: path, holdsSecret: false)?.sentence == plain)
  }

  @Test("The command sets a mode about which nothing is said", arguments: [true, false], ["plain", "a b", "it's"])
  func command(holdsSecret: Bool, name: String) throws {
    let files = try Files()
    let path = try files.write(name, "text")
    #expect(chmod(path, 0o666) == 0)
    let sentence = try #require(FileAccess(of: path, holdsSecret: holdsSecret)?.sentence)
    let command = try #require(sentence.firstMatch(of: /run `(.*)`/)?.1)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", String(command)]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(FileAccess(of: path, holdsSecret: holdsSecret) == nil)
  }

  @Test("A known hosts file that its group may change is no secret")
  func knownHosts() throws {
    let files = try Files()
    let path = try files.write("known_hosts", "")
    #expect(chmod(path, 0o664) == 0)
    let settings = try Settings(environment: [
      "JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_AUTH": "none", "WEIR_STATE_DIR": files.directory.path,
      "WEIR_SSH_KNOWN_HOSTS": path,
    ])
    #expect(settings.warnings.count == 1 && settings.warnings[0].hasPrefix("\(path): accounts of its group can"))
  }
}

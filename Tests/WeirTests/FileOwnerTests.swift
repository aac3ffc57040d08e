import Foundation
import GPUConnector
import Testing

@testable import weir

@Suite("Files of other owners and groups")
struct FileOwnerTests {
  /// Weir runs as the account 900 with the group 900; files belong to it, to root or to 4321.
  private static let weir = FileAccess.Reader(user: 900, groups: [900, 901], name: "weir")
  private static let root = FileAccess.Reader(user: 0, groups: [0], name: "root")

  struct Row: Sendable, CustomTestStringConvertible {
    let owner: uid_t
    let group: gid_t
    let mode: mode_t
    /// What is said of a file with secrets: the end of its reason, and the command; nil when nothing is.
    let secret: (reason: String, command: String)?
    var testDescription: String { "\(owner):\(group) \(String(mode, radix: 8))" }

    init(_ owner: uid_t, _ group: gid_t, _ mode: mode_t, _ reason: String? = nil, _ command: String = "") {
      (self.owner, self.group, self.mode) = (owner, group, mode)
      secret = reason.map { ($0, command) }
    }
  }

  static let rows = [
    // Of root, readable by a group of Weir: the usual pattern of /etc.
    Row(0, 900, 0o640), Row(0, 901, 0o440), Row(0, 900, 0o600), Row(900, 900, 0o640), Row(900, 0, 0o600),
    Row(0, 900, 0o660, "can change it", "chmod g-w,o-rwx /f"),
    Row(0, 900, 0o644, "can read it", "chmod g-w,o-rwx /f"),
    Row(0, 901, 0o664, "can read and change it", "chmod g-w,o-rwx /f"),
    Row(0, 900, 0o646, "every account can change it", "chmod g-w,o-rwx /f"),
    // Of root, which Weir reads as everybody does.
    Row(0, 0, 0o644, "can read it", "chown weir /f && chmod 600 /f"),
    Row(0, 0, 0o640, "can read it", "chown weir /f && chmod 600 /f"),
    Row(0, 900, 0o604, "can read it", "chown weir /f && chmod 600 /f"),
    Row(0, 0, 0o666, "every account can change it", "chown weir /f && chmod 600 /f"),
    // Weir's own.
    Row(900, 900, 0o644, "can read it", "chmod go-rwx /f"), Row(900, 50, 0o640, "can read it", "chmod go-rwx /f"),
    Row(900, 900, 0o660, "can change it", "chmod go-rwx /f"),
    // Of another account.
    Row(4321, 900, 0o640, "which can change it", "chown weir /f && chmod 600 /f"),
    Row(4321, 4321, 0o600, "which can change it", "chown weir /f && chmod 600 /f"),
    Row(4321, 4321, 0o666, "every account can change it", "chown weir /f && chmod 600 /f"),
  ]

  @Test("What is said of a secret, and a command that leaves it readable to Weir", arguments: rows)
  func secrets(row: Row) throws {
    let facts = FileAccess.Facts(owner: row.owner, group: row.group, mode: row.mode)
    let sentence = FileAccess("/f", facts, holdsSecret: true, reader: Self.weir)?.sentence
    guard let secret = row.secret else { return #expect(sentence == nil) }
    let found = try #require(sentence)
    #expect(found.contains(secret.reason + " (mode ") && found.hasSuffix("; run `\(secret.command)`"), "\(found)")
  }

  @Test("The command gives a file of which nothing is said, and which Weir can read", arguments: rows, [true, false])
  func command(row: Row, holdsSecret: Bool) throws {
    for reader in [Self.weir, Self.root] {
      let facts = FileAccess.Facts(owner: row.owner, group: row.group, mode: row.mode)
      guard let sentence = FileAccess("/f", facts, holdsSecret: holdsSecret, reader: reader)?.sentence else { continue }
      let command = try #require(sentence.firstMatch(of: /run `(.*)`$/)?.1)
      let after = try Self.after(String(command), facts, reader)
      #expect(FileAccess("/f", after, holdsSecret: holdsSecret, reader: reader) == nil, "\(command)")
      #expect(Self.canRead(after, reader) || !Self.canRead(facts, reader), "\(command)")
    }
  }

  /// What the command makes of a file.
  private static func after(
    _ command: String, _ facts: FileAccess.Facts, _ reader: FileAccess.Reader
  ) throws -> FileAccess.Facts {
    var (owner, mode) = (facts.owner, facts.mode)
    for step in command.components(separatedBy: " && ") {
      switch step {
      case "chown \(reader.name) /f": owner = reader.user
      case "chmod 600 /f": mode = 0o600
      case "chmod 644 /f": mode = 0o644
      case "chmod go-rwx /f": mode &= 0o700
      case "chmod go-w /f": mode &= 0o755
      case "chmod g-w,o-rwx /f": mode &= 0o750
      default: Issue.record("\(step)")
      }
    }
    return .init(owner: owner, group: facts.group, mode: mode)
  }

  private static func canRead(_ facts: FileAccess.Facts, _ reader: FileAccess.Reader) -> Bool {
    if reader.user == 0 { return true }
    if facts.owner == reader.user { return facts.mode & 0o400 != 0 }
    return facts.mode & (reader.groups.contains(facts.group) ? 0o040 : 0o004) != 0
  }

  @Test(
    "A servers file is a secret only if it holds one",
    arguments: [
      ("servers: [{name: a, key_file: /k}]", ["/k"], false), ("servers: [{name: a, key: x}]", [], true),
      ("servers: [{name: a, key_file: '/a b', jump: {key: x}}]", ["/a b"], true),
      ("servers: [{name: a, key_file: /k, jump: {key_file: /j}}]", ["/j", "/k"], false),
      ("servers: [{name: a, environment: {HF_HOME: /data}}]", [], false),
      ("servers: [{name: a, environment: {hf_token: x}}]", [], true), ("# key_file: /k\nservers: []", [], false),
      ("servers: [", [], true), ("", [], false),
    ] as [(String, [String], Bool)])
  func servers(text: String, keyFiles: [String], isSecret: Bool) throws {
    let files = try Files()
    let secrets = GPUConnector.secrets(inServersFile: try files.write("servers.yaml", text))
    #expect(secrets.keyFiles == keyFiles && secrets.isSecret == isSecret)
  }
}

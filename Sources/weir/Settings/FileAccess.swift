import Foundation
import Shell
import Support

/// Who else may read or change a file that Weir trusts: one rule for every file with secrets or keys.
///
/// A file that every account can change is refused. For the others there is a warning: when accounts outside Weir's own
/// groups can read a secret, when its group can change it, or when it belongs to another account than Weir's and root.
/// Container platforms mount secrets like that. A secret of root that Weir reads through a group is right.
struct FileAccess: Sendable, Equatable {
  /// The account that reads the file, as the kernel knows it.
  struct Reader: Sendable {
    let user: uid_t
    let groups: Set<gid_t>
    let name: String

    /// The account that this process runs as.
    static let current: Reader = {
      var groups = [gid_t](repeating: 0, count: max(0, Int(getgroups(0, nil))))
      let count = getgroups(Int32(groups.count), &groups)
      return Reader(
        user: geteuid(), groups: Set(groups.prefix(max(0, Int(count)))).union([getegid()]),
        name: Accounts.name(geteuid()))
    }()
  }

  /// The facts of a file that count.
  struct Facts: Sendable {
    let owner: uid_t
    let group: gid_t
    let mode: mode_t
  }

  /// What is wrong, for an administrator.
  let sentence: String
  let isRefused: Bool

  /// Nil if all is well, or there is no such file.
  /// - Parameter holdsSecret: whether others must not read it either.
  init?(of path: String, holdsSecret: Bool) {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    let facts = Facts(owner: status.st_uid, group: status.st_gid, mode: status.st_mode & 0o777)
    self.init(path, facts, holdsSecret: holdsSecret, reader: .current)
  }

  init?(_ path: String, _ facts: Facts, holdsSecret: Bool, reader: Reader) {
    let sharesGroup = reader.groups.contains(facts.group)
    let isRead = facts.mode & 0o004 != 0 || facts.mode & 0o040 != 0 && !sharesGroup
    let isChanged = facts.mode & 0o022 != 0
    let reason: String
    if facts.mode & 0o002 != 0 {
      reason = "every account can change it"
    } else if facts.owner != 0, facts.owner != reader.user {
      reason = "it belongs to \(Accounts.name(facts.owner)), which can change it"
    } else if holdsSecret, isRead || isChanged {
      let verbs = [isRead ? "read" : nil, isChanged ? "change" : nil].compactMap(\.self)
      reason = "it holds secrets and other accounts can \(verbs.joined(separator: " and ")) it"
    } else if isChanged {
      reason = "accounts of its group can change it"
    } else {
      return nil
    }
    sentence = "\(path): \(reason) \(Self.remedy(path, facts, holdsSecret, reader))"
    isRefused = facts.mode & 0o002 != 0
  }

  /// The mode that the file has, the one that is right, and a command that sets it and leaves the file readable to Weir.
  private static func remedy(_ path: String, _ facts: Facts, _ holdsSecret: Bool, _ reader: Reader) -> String {
    let file = ShellQuoting.quote(path)
    let isOwn = facts.owner == reader.user
    let expected: String
    let command: String
    if !isOwn, facts.owner != 0 {
      expected = holdsSecret ? "600" : "644"
      command = "chown \(ShellQuoting.quote(reader.name)) \(file) && chmod \(expected) \(file)"
    } else if !holdsSecret {
      (expected, command) = ("644", "chmod go-w \(file)")
    } else if isOwn || reader.user == 0 {
      (expected, command) = ("600", "chmod go-rwx \(file)")
    } else if reader.groups.contains(facts.group), facts.mode & 0o040 != 0 {
      (expected, command) = ("640", "chmod g-w,o-rwx \(file)")
    } else {
      (expected, command) = ("600", "chown \(ShellQuoting.quote(reader.name)) \(file) && chmod 600 \(file)")
    }
    return "(mode \(String(facts.mode, radix: 8)), expected \(expected)); run `\(command)`"
  }

  /// Whether a file of token keys holds a secret: public keys may be read by everybody.
  static func holdsSecret(keyFile path: String) -> Bool {
    guard let bytes = try? BoundedFile.read(path, most: NamedFile.secret) else { return false }
    let text = String(decoding: bytes, as: UTF8.self)
    return !text.contains("BEGIN PUBLIC KEY") && !text.contains("BEGIN RSA PUBLIC KEY") && !text.contains("BEGIN CERT")
  }
}

import Foundation
import NamedFiles
import SSH

/// Who else may read or change a file that Weir trusts: one rule for every file with secrets or keys.
///
/// A file that everybody may write is refused. One that others may read or its group may write, or that belongs to
/// another account than Weir's and root, is taken with a warning: container platforms mount secrets like that.
struct FileAccess: Sendable, Equatable {
  /// What is wrong, for an administrator.
  let sentence: String
  let isRefused: Bool

  /// Nil if all is well, or there is no such file.
  /// - Parameter holdsSecret: whether others must not read it either.
  init?(of path: String, holdsSecret: Bool) {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    let mode = status.st_mode & 0o777
    let remedy = Self.remedy(path, mode, holdsSecret)
    if mode & 0o002 != 0 {
      self.init(path, "every account can change it \(remedy)", isRefused: true)
    } else if status.st_uid != 0, status.st_uid != geteuid() {
      self.init(
        path,
        "it belongs to the account with the id \(status.st_uid), which can change it; give it to root or to the"
          + " account that runs Weir", isRefused: false)
    } else if holdsSecret, mode & 0o066 != 0 {
      let verbs = [mode & 0o044 != 0 ? "read" : nil, mode & 0o022 != 0 ? "change" : nil].compactMap(\.self)
      self.init(
        path, "it holds secrets and other accounts can \(verbs.joined(separator: " and ")) it \(remedy)",
        isRefused: false)
    } else if mode & 0o022 != 0 {
      self.init(path, "accounts of its group can change it \(remedy)", isRefused: false)
    } else {
      return nil
    }
  }

  private init(_ path: String, _ reason: String, isRefused: Bool) {
    sentence = "\(path): \(reason)"
    self.isRefused = isRefused
  }

  /// The mode that the file has, the one that is right, and how it gets that.
  private static func remedy(_ path: String, _ mode: mode_t, _ holdsSecret: Bool) -> String {
    let (expected, change) = holdsSecret ? ("600", "go-rwx") : ("644", "go-w")
    return "(mode \(String(mode, radix: 8)), expected \(expected)); run `chmod \(change) \(ShellQuoting.quote(path))`"
  }

  /// Whether a file of token keys holds a secret: public keys may be read by everybody.
  static func holdsSecret(keyFile path: String) -> Bool {
    guard let bytes = try? BoundedFile.read(path, most: NamedFile.secret) else { return false }
    let text = String(decoding: bytes, as: UTF8.self)
    return !text.contains("BEGIN PUBLIC KEY") && !text.contains("BEGIN RSA PUBLIC KEY") && !text.contains("BEGIN CERT")
  }

  /// The files with private keys that a servers file names.
  static func keyFiles(inServersFile path: String) -> [String] {
    let text = String(decoding: (try? BoundedFile.read(path, most: NamedFile.servers)) ?? [], as: UTF8.self)
    // In any style of YAML; what is found in a comment is looked at in vain.
    let paths = text.components(separatedBy: "key_file").dropFirst().map { rest in
      String(rest.drop { " \t\"':".contains($0) }.prefix { !" \t\"',}\r\n".contains($0) })
    }
    return Set(paths.filter { $0.hasPrefix("/") }).sorted()
  }
}

import Foundation

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
    let mode = String(status.st_mode & 0o777, radix: 8)
    if status.st_mode & 0o002 != 0 {
      self.init(path, "every account can change it (mode \(mode)); run `chmod go-rwx \(path)`", isRefused: true)
    } else if status.st_uid != 0, status.st_uid != geteuid() {
      self.init(
        path,
        "it belongs to the account with the id \(status.st_uid), which can change it; give it to root or to the"
          + " account that runs Weir", isRefused: false)
    } else if status.st_mode & (holdsSecret ? 0o066 : 0o022) != 0 {
      self.init(
        path, "it holds secrets and other accounts can read or change it (mode \(mode)); run `chmod go-rwx \(path)`",
        isRefused: false)
    } else {
      return nil
    }
  }

  private init(_ path: String, _ reason: String, isRefused: Bool) {
    sentence = "\(path): \(reason)"
    self.isRefused = isRefused
  }

  /// Whether a file of token keys holds a secret: public keys may be read by everybody.
  static func holdsSecret(keyFile path: String) -> Bool {
    guard let text = FileManager.default.contents(atPath: path).map({ String(decoding: $0, as: UTF8.self) }) else {
      return false
    }
    return !text.contains("BEGIN PUBLIC KEY") && !text.contains("BEGIN RSA PUBLIC KEY") && !text.contains("BEGIN CERT")
  }

  /// The files with private keys that a servers file names.
  static func keyFiles(inServersFile path: String) -> [String] {
    let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    // In any style of YAML; what is found in a comment is looked at in vain.
    let paths = text.components(separatedBy: "key_file").dropFirst().map { rest in
      String(rest.drop { " \t\"':".contains($0) }.prefix { !" \t\"',}\r\n".contains($0) })
    }
    return Set(paths.filter { $0.hasPrefix("/") }).sorted()
  }
}

import Foundation
import JobStoreSQLite
import Support

/// What directories and addresses among the settings may look like.
enum SettingForms {
  /// An absolute path that is below what it begins with.
  static func isDirectory(_ path: String) -> Bool {
    path.utf8.first == UInt8(ascii: "/") && path.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
      && !path.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("..".utf8) }
  }

  /// One that the script of a job may use without quotes.
  static func isScriptDirectory(_ path: String) -> Bool {
    isDirectory(path) && path.wholeMatch(of: /[A-Za-z0-9._\/@%+=:,~-]+/) != nil
  }

  private static let schemes: Set = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"]

  /// `host`, with a scheme, a user, a password and a port if there are any. A password may hold any character but blanks,
  /// so that it ends at the last `@`.
  static func isProxy(_ address: String) -> Bool {
    guard address.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7f }) else { return false }
    var rest = address[...]
    if let mark = rest.range(of: "://") {
      guard schemes.contains(rest[..<mark.lowerBound].lowercased()) else { return false }
      rest = rest[mark.upperBound...]
    }
    if let at = rest.unicodeScalars.lastIndex(of: "@") { rest = rest[rest.unicodeScalars.index(after: at)...] }
    let host = /(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?\/?/
    guard let match = rest.wholeMatch(of: host) else { return false }
    return match.1.map { (1...65_535).contains(Int($0) ?? 0) } ?? true
  }

  /// Where the kernel has files of its own and nobody else has any.
  private static let ofTheKernel: Set<Substring> = ["proc", "sys"]

  /// Why a state directory can never be made; nil when it may. Whether the disk can be written is checked later.
  static func fault(ofStateDirectory path: String) -> String? {
    guard isDirectory(path) else { return "'\(path.visible().prefix(100))' is wrong: expected \(directory)" }
    if let first = path.split(separator: "/").first, ofTheKernel.contains(first) {
      return "\(path) cannot be created: /\(first) is a file system of the kernel"
    }
    var (above, status) = (path, stat())
    while stat(above, &status) != 0 {
      guard [ENOENT, ENOTDIR].contains(errno), above != "/" else { return nil }
      above = (above as NSString).deletingLastPathComponent
    }
    return status.st_mode & S_IFMT == S_IFDIR ? nil : "\(path) cannot be created: \(above) is not a directory"
  }

  static let directory = "an absolute directory without '..'"
  static let scriptDirectory = "an absolute directory of letters, digits and ._/@%+=:,~- without '..'"
  static let proxy = "[http://][user:password@]host[:port]"
}

import Glibc

/// Accounts of this machine.
public enum Accounts {
  /// The name of an account, or its number where it has none; `chown` and `sudo -u` take the name.
  public static func name(_ user: uid_t) -> String {
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16_384)
    guard getpwuid_r(user, &entry, &buffer, buffer.count, &found) == 0, let found, let name = found.pointee.pw_name
    else { return String(user) }
    return String(cString: name)
  }

  /// An error number of the system in words that fit into a sentence: `permission denied`.
  public static func text(ofError number: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
    let words = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return words.prefix(1).lowercased() + words.dropFirst()
  }
}

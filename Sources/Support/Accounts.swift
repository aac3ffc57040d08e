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
}

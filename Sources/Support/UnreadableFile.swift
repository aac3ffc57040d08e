import Glibc

/// Why a file cannot be read, for messages to administrators.
public enum UnreadableFile {
  /// Such as `permission denied for weir`, or `it is a directory`; nil for a regular file that this process may open.
  public static func reason(_ path: String) -> String? {
    // A pipe without a writer must not hold up the caller.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let number = errno
      let words = SystemError.text(number)
      return number == EACCES || number == EPERM ? "\(words) for \(Accounts.name(geteuid()))" : words
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else { return "it is a directory" }
    return nil
  }
}

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

import Glibc

/// A file that is open for reading until this value ends; no directory. Nothing is waited for.
struct OpenFile: ~Copyable {
  /// Why it cannot be opened, for administrators: `permission denied for weir`, or `it is a directory`.
  struct Failure: Error {
    let reason: String
  }

  let descriptor: Int32
  let isRegular: Bool
  /// In bytes, as far as the file system knows.
  let size: Int

  init(_ path: String) throws(Failure) {
    // Without O_NONBLOCK a pipe would keep its opener waiting.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { throw Self.failure(errno) }
    var status = stat()
    let number = fstat(descriptor, &status) == 0 ? 0 : errno
    guard number == 0, status.st_mode & S_IFMT != S_IFDIR else {
      close(descriptor)
      throw number == 0 ? Failure(reason: "it is a directory") : Self.failure(number)
    }
    self.descriptor = descriptor
    isRegular = status.st_mode & S_IFMT == S_IFREG
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  private static func failure(_ number: Int32) -> Failure {
    let words = SystemError.text(number)
    return Failure(reason: number == EACCES || number == EPERM ? "\(words) for \(Accounts.name(geteuid()))" : words)
  }
}

/// Why a file cannot be read, for messages to administrators.
public enum UnreadableFile {
  /// Such as `permission denied for weir`, or `it is a directory`; nil for another file that this process may open.
  public static func reason(_ path: String) -> String? {
    do throws(OpenFile.Failure) {
      _ = try OpenFile(path)
      return nil
    } catch {
      return error.reason
    }
  }
}

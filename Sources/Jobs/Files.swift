import Foundation

/// Files that are there whole, and stay after a power cut, or are not there at all.
enum Files {
  /// Writes a file that is readable by us alone.
  static func write(_ bytes: [UInt8], to path: String) throws(StoreError) {
    let new = path + ".new"
    let fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else { throw failure(new) }
    do throws(StoreError) {
      defer { close(fd) }
      try write(bytes, to: fd, new)
      guard fsync(fd) == 0 else { throw failure(new) }
    } catch {
      unlink(new)
      throw error
    }
    try rename(new, to: path)
  }

  /// - Parameter path: the file's, for errors.
  static func write(_ bytes: [UInt8], to fd: Int32, _ path: String) throws(StoreError) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.write(fd, $0.baseAddress.map { $0 + written }, bytes.count - written)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure(path) }
      written += count
    }
  }

  static func rename(_ old: String, to new: String) throws(StoreError) {
    guard Glibc.rename(old, new) == 0 else { throw failure(new) }
    try syncDirectory(of: new)
  }

  static func syncDirectory(of path: String) throws(StoreError) {
    let directory = (path as NSString).deletingLastPathComponent
    let fd = open(directory.isEmpty ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard fd >= 0 else { throw failure(path) }
    defer { close(fd) }
    guard fsync(fd) == 0 else { throw failure(path) }
  }

  private static func failure(_ path: String) -> StoreError {
    .unwritable("\(path): \(String(cString: strerror(errno)))")
  }
}

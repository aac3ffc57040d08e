import Foundation

/// Files that are there whole, and stay after a power cut, or are not there at all.
package enum Files {
  /// Writes a file that is readable by us alone.
  package static func write(_ bytes: [UInt8], to path: String) throws(StoreError) {
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

  /// Writes a file that is readable by us alone and is not there yet.
  package static func writeNew(_ bytes: [UInt8], to path: String) throws(StoreError) {
    let fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else {
      throw errno == EEXIST
        ? .unusable("\(path) already exists, and is not overwritten") : failure(path)
    }
    do throws(StoreError) {
      defer { close(fd) }
      try write(bytes, to: fd, path)
      guard fsync(fd) == 0 else { throw failure(path) }
    } catch {
      unlink(path)
      throw error
    }
    try syncDirectory(of: path)
  }

  /// What is in a regular file, at most so many bytes of it; nil when there is none.
  package static func read(_ path: String, limit: Int) throws(StoreError) -> [UInt8]? {
    let fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard fd >= 0 else {
      if errno == ENOENT { return nil }
      throw unreadable(path)
    }
    defer { close(fd) }
    var status = stat()
    guard fstat(fd, &status) == 0 else { throw unreadable(path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .unusable("\(path): not a regular file") }
    var bytes = [UInt8](repeating: 0, count: min(limit, max(0, Int(status.st_size))))
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes { buffer in
        Glibc.read(fd, buffer.baseAddress.map { $0 + count }, buffer.count - count)
      }
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw unreadable(path) }
      guard got > 0 else { break }
      count += got
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  private static func unreadable(_ path: String) -> StoreError {
    .unusable("\(path): \(String(cString: strerror(errno)))")
  }

  /// - Parameter path: the file's, for errors.
  package static func write(_ bytes: [UInt8], to fd: Int32, _ path: String) throws(StoreError) {
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

  package static func rename(_ old: String, to new: String) throws(StoreError) {
    guard Glibc.rename(old, new) == 0 else { throw failure(new) }
    try syncDirectory(of: new)
  }

  package static func syncDirectory(of path: String) throws(StoreError) {
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

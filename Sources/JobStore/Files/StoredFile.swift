import Foundation

/// A file of the store that is open for reading for as long as somebody holds it: one that is removed meanwhile is read to
/// its end. Calls block until the disk answers.
package final class StoredFile: Sendable {
  private let descriptor: Int32
  /// Bytes.
  package let size: Int
  /// By what a file with the same contents is known: another one in its place has another, and so has one that was written
  /// since.
  package let version: String

  /// - Returns: nil if the file does not exist.
  package init?(_ path: String) throws(StoreError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw .unusable("\(path): \(String(cString: strerror(errno)))")
    }
    var status = stat()
    let number = fstat(descriptor, &status) == 0 ? 0 : errno
    guard number == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw number == 0
        ? .missing("\(path) is not a regular file") : .unusable("\(path): \(String(cString: strerror(number)))")
    }
    self.descriptor = descriptor
    size = status.st_size
    let changed = status.st_ctim
    version = "\(status.st_dev) \(status.st_ino) \(status.st_size) \(changed.tv_sec) \(changed.tv_nsec)"
  }

  deinit { close(descriptor) }

  /// The bytes from an offset on, at most so many; fewer only at the end of the file.
  package func bytes(at offset: Int, most: Int) throws(StoreError) -> [UInt8] {
    var (read, number) = (0, Int32(0))
    let bytes = [UInt8](unsafeUninitializedCapacity: most) { room, length in
      while read < most {
        let count = pread(descriptor, room.baseAddress.map { $0 + read }, most - read, offset + read)
        if count < 0, errno == EINTR { continue }
        if count < 0 { number = errno }
        guard count > 0 else { break }
        read += count
      }
      length = read
    }
    guard number == 0 else {
      throw .unusable("a file of the store cannot be read: \(String(cString: strerror(number)))")
    }
    return bytes
  }
}

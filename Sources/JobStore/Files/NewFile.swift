import Foundation

/// A file that is being written under a temporary name; it is removed with this object, unless it got a name of its own.
/// Readable by us alone. Calls block until the disk answers.
package final class NewFile {
  private let path: String
  private let descriptor: Int32
  private var isKept = false

  /// - Parameter path: of a file that is not there.
  package init(_ path: String) throws(StoreError) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .unwritable("\(path): \(String(cString: strerror(errno)))") }
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    if !isKept { unlink(path) }
  }

  package func write(_ bytes: [UInt8]) throws(StoreError) { try Files.write(bytes, to: descriptor, path) }

  /// All of it is on the disk when this returns.
  package func sync() throws(StoreError) {
    guard fsync(descriptor) == 0 else { throw .unwritable("\(path): \(String(cString: strerror(errno)))") }
  }

  /// Gives it its own name, by which it stays.
  package func keep(as name: String) throws(StoreError) {
    try Files.rename(path, to: name)
    isKept = true
  }
}

import Glibc

/// Distinguishes one version of a file from another; a missing file has a stamp too.
package struct FileStamp: Equatable, Sendable {
  private let device: UInt
  private let inode: UInt
  private let size: Int
  /// Of the last change of contents or attributes: it cannot be set back as the time of the contents can.
  private let seconds: Int
  private let nanoseconds: Int

  /// The stamp of a file that does not exist.
  package static let missing = FileStamp()

  private init() { (device, inode, size, seconds, nanoseconds) = (0, 0, 0, 0, 0) }

  package init(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      self = .missing
      return
    }
    (device, inode) = (UInt(status.st_dev), UInt(status.st_ino))
    size = Int(status.st_size)
    (seconds, nanoseconds) = (status.st_ctim.tv_sec, status.st_ctim.tv_nsec)
  }
}

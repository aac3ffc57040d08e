import Foundation
import Support

/// Reads the archive of a job piece by piece. An actor on a queue of its own, since it waits for the disk.
public actor InputReader {
  /// Bytes of a piece.
  private static let piece = 256 << 10

  private let fd: Int32
  private let queue = QueueExecutor(label: "weir.input", mayBlock: true)

  public nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  init(_ path: String) throws(StoreError) {
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard fd >= 0 else { throw .unusable("\(path): \(String(cString: strerror(errno)))") }
  }

  deinit { close(fd) }

  /// The next bytes; nil at the end.
  public func next() throws(StoreError) -> [UInt8]? {
    var count = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: Self.piece) { buffer, initialized in
      repeat { count = read(fd, buffer.baseAddress, Self.piece) } while count < 0 && errno == EINTR
      initialized = max(0, count)
    }
    guard count >= 0 else { throw .unusable("an archive cannot be read: \(String(cString: strerror(errno)))") }
    return count > 0 ? bytes : nil
  }
}

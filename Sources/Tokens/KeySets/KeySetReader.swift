import Glibc
import Synchronization

/// Reads a key set where it lies; one thread at a time.
protocol KeySetReader: Sendable {
  /// The place, fit for logs.
  var name: String { get }
  /// Whether only this machine's administrators can read it, so that it may hold secrets, and so near that it is read before
  /// anything else starts.
  var isLocal: Bool { get }
  /// The set, or nil if it has not changed since it was last read well. May block for some seconds.
  func read() throws(KeyError) -> KeySet?
}

/// A key set in a file.
final class KeySetFile: KeySetReader {
  /// What changes when the file is written to or another one takes its place.
  private struct Stamp: Equatable {
    let device: UInt
    let inode: UInt
    let length: Int
    let written: SIMD2<Int>
    let changed: SIMD2<Int>

    init(_ status: stat) {
      device = status.st_dev
      inode = status.st_ino
      length = status.st_size
      written = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
      changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
    }
  }

  let name: String
  let isLocal = true
  private let lastRead = Mutex<Stamp?>(nil)

  init(path: String) { name = path }

  func read() throws(KeyError) -> KeySet? {
    // Opening a pipe must not block.
    let file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw Self.unreadable(errno) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw Self.unreadable(errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadableFile("it is not a regular file") }
    let stamp = Stamp(status)
    if lastRead.withLock({ $0 == stamp }) { return nil }
    let set = try KeySet(Self.contents(of: file), allowsSecrets: true)
    lastRead.withLock { $0 = stamp }
    return set
  }

  /// The file's contents, or one byte more than a set may have.
  private static func contents(of file: Int32) throws(KeyError) -> [UInt8] {
    var contents = [UInt8](repeating: 0, count: KeySet.maximumLength + 1)
    var length = 0
    while length < contents.count {
      let count = contents.withUnsafeMutableBytes {
        Glibc.read(file, $0.baseAddress.map { $0 + length }, $0.count - length)
      }
      if count == 0 { break }
      guard count > 0 else { throw unreadable(errno) }
      length += count
    }
    return Array(contents.prefix(length))
  }

  private static func unreadable(_ code: Int32) -> KeyError { .unreadableFile(String(cString: strerror(code))) }
}

import Glibc
import Support

/// A file of this machine that is read or written on a queue for such, since a disk may keep one waiting.
actor LocalFile {
  private static let executor = QueueExecutor(label: "local files")
  nonisolated var unownedExecutor: UnownedSerialExecutor { Self.executor.asUnownedSerialExecutor() }

  private let path: String
  private var descriptor: Int32 = -1
  /// The name it has until it is complete.
  private var temporary: String?

  init(path: String) { self.path = path }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  func openToRead() throws(RunError) {
    // Not to wait for a writer, should it be a pipe.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure() }
  }

  /// The next bytes; none at the end.
  func read() throws(RunError) -> [UInt8] {
    var count = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, initialized in
      repeat { count = Glibc.read(descriptor, buffer.baseAddress, buffer.count) } while count < 0 && errno == EINTR
      initialized = max(0, count)
    }
    guard count >= 0 else { throw failure() }
    return bytes
  }

  /// Opens a file of another name beside it, which nobody else may read yet.
  func create() throws(RunError) {
    let name = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 36)).part"
    descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure() }
    temporary = name
  }

  func write(_ bytes: [UInt8]) throws(RunError) {
    var position = 0
    while position < bytes.count {
      let count = bytes[position...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count >= 0 || errno == EINTR else { throw failure() }
      position += max(0, count)
    }
  }

  /// Gives the complete file its mode and its name.
  func finish(mode: Int32) throws(RunError) {
    guard let name = temporary else { return }
    guard fchmod(descriptor, mode_t(mode & 0o7777)) == 0, rename(name, path) == 0 else { throw failure() }
    temporary = nil
  }

  /// Takes away what was written, unless it has its name.
  func remove() {
    if let name = temporary { unlink(name) }
    temporary = nil
  }

  private func failure() -> RunError {
    let reason = SystemError.text()
    return .file("the file \(path) on this machine could not be read or written: \(reason)")
  }
}

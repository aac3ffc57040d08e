import ConnectorAPI
import JobStore
import Support

/// Reads the archive of a job piece by piece. An actor on a queue of its own, since it waits for the disk.
public actor InputReader: InputArchive {
  /// Bytes of a piece.
  private static let piece = 256 << 10

  private let file: StoredFile
  private var offset = 0
  private let queue = QueueExecutor(label: "weir.input", mayBlock: true)

  public nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  init(_ file: StoredFile) { self.file = file }

  /// The next bytes; nil at the end.
  public func next() throws(PayloadError) -> [UInt8]? {
    let bytes: [UInt8]
    do { bytes = try file.bytes(at: offset, most: Self.piece) } catch { throw PayloadError(error) }
    offset += bytes.count
    return bytes.isEmpty ? nil : bytes
  }
}

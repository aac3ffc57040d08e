import JobModel
import JobStore

/// A job's output, in memory, or in a file of ours that is read bit by bit.
public struct OutputSource: Sendable {
  /// Bytes that are read at once.
  public static let pieceSize = 65_536

  private enum Place: Sendable {
    case memory([UInt8])
    case file(StoredFile)
  }

  private let place: Place
  private var start = 0
  /// Bytes.
  public private(set) var count: Int

  public init(_ bytes: [UInt8]) {
    place = .memory(bytes)
    count = bytes.count
  }

  init(_ file: StoredFile) {
    place = .file(file)
    count = file.size
  }

  /// By what a file with the same contents is known: another one in its place has another, and so has one that was
  /// written since. Nil for what is in memory.
  public var fileVersion: String? {
    guard case .file(let file) = place else { return nil }
    return "\(file.version) \(start)"
  }

  /// Bytes of it that are in memory.
  public var heldBytes: Int { if case .memory(let bytes) = place { bytes.count } else { 0 } }

  /// - Throws: a ``JobError`` when the disk does not give them.
  public func bytes(in range: Range<Int>) throws(JobError) -> [UInt8] {
    let wanted = (start + range.lowerBound)..<(start + min(range.upperBound, count))
    switch place {
    case .memory(let bytes): return Array(bytes[wanted])
    case .file(let file):
      let bytes = try? file.bytes(at: wanted.lowerBound, most: wanted.count)
      guard let bytes, bytes.count == wanted.count else { throw .storage("the kept output cannot be read") }
      return bytes
    }
  }

  /// All of it, for what is known to be short.
  public func bytes() throws(JobError) -> [UInt8] { try bytes(in: 0..<count) }

  /// Calls `body` with one piece after the other.
  public func forEachPiece(_ body: ([UInt8]) async throws -> Void) async throws {
    var next = 0
    while next < count {
      let end = min(next + Self.pieceSize, count)
      try await body(try bytes(in: next..<end))
      next = end
    }
  }

  /// The last lines of it.
  func last(_ lines: Int) throws(JobError) -> OutputSource {
    var (place, found) = (count, 0)
    if count > 0, try bytes(in: (count - 1)..<count) == [UInt8(ascii: "\n")] { found = -1 }
    while place > 0 {
      let begin = max(0, place - Self.pieceSize)
      for (offset, byte) in try bytes(in: begin..<place).enumerated().reversed() where byte == UInt8(ascii: "\n") {
        found += 1
        if found == lines { return from(begin + offset + 1) }
      }
      place = begin
    }
    return self
  }

  private func from(_ offset: Int) -> OutputSource {
    var rest = self
    rest.start += offset
    rest.count -= offset
    return rest
  }
}

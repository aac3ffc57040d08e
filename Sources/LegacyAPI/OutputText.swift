import Foundation
import JSON
import JobEngine

/// A job's output, or its script, as text that is escaped for JSON piece by piece.
struct OutputText: Sendable {
  let source: OutputSource
  /// Bytes of the output that the text is made of.
  private let end: Int

  /// The text without the blanks at its end.
  init(_ source: OutputSource) throws {
    self.source = source
    end = try Self.end(of: source)
  }

  init(whole source: OutputSource) {
    self.source = source
    end = source.count
  }

  /// How many bytes it has once it is escaped. That takes its time: each byte is looked at.
  func escapedCount() throws -> Int {
    var escaper = JSONText.Escaper()
    var count = 0
    for piece in pieces { count += escaper.count(try source.bytes(in: piece), isLast: piece.upperBound == end) }
    return count
  }

  /// The escaped text, without quotes.
  func escaped() throws -> [UInt8] {
    var escaper = JSONText.Escaper()
    var escaped: [UInt8] = []
    for piece in pieces {
      escaped += escaper.escape(try source.bytes(in: piece), isLast: piece.upperBound == end)
    }
    return escaped
  }

  /// Calls `body` with one piece of the escaped text after the other.
  func send(_ body: ([UInt8]) async throws -> Void) async throws {
    var escaper = JSONText.Escaper()
    for piece in pieces {
      try await body(escaper.escape(try source.bytes(in: piece), isLast: piece.upperBound == end))
    }
  }

  private var pieces: some Sequence<Range<Int>> {
    stride(from: 0, to: end, by: OutputSource.pieceSize).lazy.map { $0..<min($0 + OutputSource.pieceSize, end) }
  }

  // MARK: Blanks at the end

  /// How much of the end is read as text.
  private static let window = 4096
  private static let longestWindow = 1 << 20

  /// Where the text ends: before the characters at its end that are white space. Most of these are blanks and line ends of
  /// ASCII, of which there may be megabytes; whether others are is known only when they are read as text.
  private static func end(of source: OutputSource) throws -> Int {
    var end = source.count
    var window = window
    while end > 0 {
      let start = try boundary(at: max(0, end - window), in: source)
      let bytes = try source.bytes(in: start..<end)
      let blanks = bytes.reversed().prefix { $0 == 0x20 || (0x09...0x0D).contains($0) }.count
      if blanks == bytes.count {
        end = start
        continue
      }
      var text = String(decoding: bytes, as: UTF8.self)
      let all = text.utf8.count
      while text.last?.isWhitespace == true { text.removeLast() }
      // A character that begins before the window may be a blank with combining characters.
      if start > 0, text.count <= 1, window < longestWindow {
        window *= 16
        continue
      }
      // Only blanks with combining characters are left out, and none of them was damaged: so they have as many bytes as here.
      return end - (all - text.utf8.count)
    }
    return 0
  }

  /// A place at or before `offset` where a character's bytes begin.
  private static func boundary(at offset: Int, in source: OutputSource) throws -> Int {
    var start = offset
    while start > 0, start > offset - 3,
      try source.bytes(in: start..<(start + 1)).first.map({ $0 & 0xC0 == 0x80 }) == true
    {
      start -= 1
    }
    return start
  }
}

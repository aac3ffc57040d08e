/// A place in a text as a person counts it.
struct TextPosition: Equatable, Sendable {
  /// From 1; a line ends with LF, so CRLF ends one line too.
  var line: Int
  /// From 1, in characters as they are seen (grapheme clusters), not in bytes.
  var column: Int

  /// The place of the byte at `offset`. Meant for errors: it walks the text up to there.
  init(ofByte offset: Int, in bytes: UnsafeBufferPointer<UInt8>) {
    let before = bytes[..<min(offset, bytes.count)]
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    line = before.reduce(1) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
    column = String(decoding: before[lineStart...], as: UTF8.self).count + 1
  }
}

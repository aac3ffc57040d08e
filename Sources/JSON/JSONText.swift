/// Writes JSON as the upstream knows it from Python: compact, keys sorted, ASCII alone, one newline at the end.
public enum JSONText {
  public indirect enum Value: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByBooleanLiteral {
    case null
    case bool(Bool)
    case int(Int)
    /// Null for a number that is not finite, for which JSON has no form.
    case double(Double)
    case string(String)
    case array([Value])
    case object([String: Value])

    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: Value...) { self = .array(elements) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
  }

  public static func encode(_ value: Value) -> [UInt8] {
    var bytes: [UInt8] = []
    append(value, to: &bytes)
    bytes.append(UInt8(ascii: "\n"))
    return bytes
  }

  private static func append(_ value: Value, to bytes: inout [UInt8]) {
    switch value {
    case .null: bytes += "null".utf8
    case .bool(let bool): bytes += (bool ? "true" : "false").utf8
    case .int(let int): bytes += String(int).utf8
    case .double(let double): bytes += (double.isFinite ? "\(double)" : "null").utf8
    case .string(let string): append(string, to: &bytes)
    case .array(let values):
      bytes.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        append(value, to: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        append(member.key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        append(member.value, to: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  private static func append(_ string: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    var string = string
    string.withUTF8 { append($0[...], to: &bytes) }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Runs of bytes that need no escape, and of those that do, which are few.
  private static func append(_ text: Slice<UnsafeBufferPointer<UInt8>>, to bytes: inout [UInt8]) {
    let all = UnsafeBufferPointer(rebasing: text)
    var index = 0
    while index < all.count {
      let start = index
      while index < all.count, isPlain(all[index]) { index += 1 }
      if index > start { bytes.append(contentsOf: UnsafeBufferPointer(rebasing: all[start..<index])) }
      while index < all.count, all[index] < 0x80, !isPlain(all[index]) {
        escape(UInt16(all[index]), into: &bytes)
        index += 1
      }
      let odd = index
      while index < all.count, all[index] >= 0x80 { index += 1 }
      guard index > odd else { continue }
      for unit in String(decoding: all[odd..<index], as: UTF8.self).utf16 { escape(unit, into: &bytes) }
    }
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  /// Escapes a text for a string of JSON that comes in pieces, which may cut its characters anywhere. Bytes that are not UTF-8
  /// is shown by replacement characters, as in a text that comes whole.
  public struct Escaper: Sendable {
    /// The beginning of a character whose end has not come.
    private var open: [UInt8] = []

    public init() {}

    /// The next piece, escaped and without quotes.
    public mutating func escape(_ piece: [UInt8], isLast: Bool) -> [UInt8] {
      let bytes = open.isEmpty ? piece : open + piece
      let whole = isLast ? bytes.count : bytes.count - Self.openCount(bytes)
      var escaped: [UInt8] = []
      escaped.reserveCapacity(whole + whole / 8)
      bytes.withUnsafeBufferPointer { JSONText.append($0[..<whole], to: &escaped) }
      open = Array(bytes[whole...])
      return escaped
    }

    /// How many bytes ``escape(_:isLast:)`` would give for the next piece; it takes the place of that call.
    public mutating func count(_ piece: [UInt8], isLast: Bool) -> Int {
      let bytes = open.isEmpty ? piece : open + piece
      let whole = isLast ? bytes.count : bytes.count - Self.openCount(bytes)
      open = Array(bytes[whole...])
      let widths = JSONText.asciiWidths
      return bytes.withUnsafeBufferPointer { bytes in
        var count = 0
        var index = 0
        while index < whole {
          if bytes[index] < 0x80 {
            count += widths[Int(bytes[index])]
            index += 1
            continue
          }
          let odd = bytes[index..<whole].prefix { $0 >= 0x80 }
          // Each is six bytes: a backslash, u, and four digits.
          count += String(decoding: odd, as: UTF8.self).utf16.count * 6
          index = odd.endIndex
        }
        return count
      }
    }

    /// How many bytes at the end may be the beginning of a character: a leading byte with fewer behind it than it says.
    private static func openCount(_ bytes: [UInt8]) -> Int {
      for count in 1...3 where count <= bytes.count {
        let byte = bytes[bytes.count - count]
        if byte & 0xC0 == 0x80 { continue }
        let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
        return length > count ? count : 0
      }
      return 0
    }
  }

  private static func escape(_ unit: UInt16, into bytes: inout [UInt8]) {
    switch unit {
    case 0x22: bytes += "\\\"".utf8
    case 0x5C: bytes += "\\\\".utf8
    case 0x0A: bytes += "\\n".utf8
    case 0x0D: bytes += "\\r".utf8
    case 0x09: bytes += "\\t".utf8
    case 0x08: bytes += "\\b".utf8
    case 0x0C: bytes += "\\f".utf8
    default:
      bytes += "\\u".utf8
      bytes.append(digits[Int(unit >> 12)])
      bytes.append(digits[Int(unit >> 8 & 15)])
      bytes.append(digits[Int(unit >> 4 & 15)])
      bytes.append(digits[Int(unit & 15)])
    }
  }

  private static let digits = Array("0123456789abcdef".utf8)
  /// How many bytes each byte of ASCII is written with.
  private static let asciiWidths: [Int] = (0..<0x80).map { (byte: UInt16) -> Int in
    var escaped: [UInt8] = []
    if !isPlain(UInt8(byte)) { escape(byte, into: &escaped) }
    return max(1, escaped.count)
  }
}

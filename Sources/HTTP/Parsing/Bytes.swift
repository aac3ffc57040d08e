import Glibc
import Support

/// The bytes HTTP is written with, and the classes RFC 9110 section 5.6 sorts them into.
enum Byte {
  static let tab = UInt8(ascii: "\t")
  static let lineFeed = UInt8(ascii: "\n")
  static let carriageReturn = UInt8(ascii: "\r")
  static let space = UInt8(ascii: " ")
  static let percent = UInt8(ascii: "%")
  static let slash = UInt8(ascii: "/")
  static let colon = UInt8(ascii: ":")
  static let equals = UInt8(ascii: "=")
  static let ampersand = UInt8(ascii: "&")
  static let questionMark = UInt8(ascii: "?")
  static let comma = UInt8(ascii: ",")
  static let semicolon = UInt8(ascii: ";")
  static let quote = UInt8(ascii: "\"")
  static let backslash = UInt8(ascii: "\\")
}

extension UInt8 {
  /// tchar of RFC 9110 section 5.6.2, as a bit set: a table in memory would be slower to reach.
  var isTokenByte: Bool {
    let low: UInt64 = 0x03FF_6CFA_0000_0000
    let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
    let set = self < 64 ? low : self < 128 ? high : 0
    return (set >> UInt64(self & 63)) & 1 == 1
  }

  /// A byte that is allowed in a field value: visible, blank, tab or obs-text (RFC 9110 section 5.5).
  var isFieldByte: Bool { (self >= 0x20 && self != 0x7F) || self == Byte.tab }

  var isBlank: Bool { self == Byte.space || self == Byte.tab }

  var isDigit: Bool { self &- 0x30 < 10 }

  var lowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

  /// The value of a hexadecimal digit.
  var hexValue: UInt8? {
    if isDigit { return self &- 0x30 }
    let letter = lowercased &- 0x61
    return letter < 6 ? letter + 10 : nil
  }
}

extension UnsafeRawBufferPointer {
  func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[range]) }

  /// The offset of the first `byte` at or after `start`.
  func firstOffset(of byte: UInt8, from start: Int = 0) -> Int? {
    guard let base = baseAddress, start < count,
      let found = memchr(base + start, Int32(byte), count - start)
    else { return nil }
    return UnsafeRawPointer(found) - base
  }

  /// The offset of the first `needle` at or after `start`.
  func firstOffset(of needle: UnsafeRawBufferPointer, from start: Int = 0) -> Int? {
    guard let first = needle.first else { return nil }
    var offset = start
    while let found = firstOffset(of: first, from: offset), count - found >= needle.count {
      if slice(found..<count).starts(with: needle) { return found }
      offset = found + 1
    }
    return nil
  }

  /// Whether all bytes are allowed in a token, and there is one.
  var isToken: Bool {
    for byte in self where !byte.isTokenByte { return false }
    return !isEmpty
  }

  /// Whether all bytes are allowed in a field value; eight at a time, for this is most of a head.
  var isFieldValue: Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    var index = 0
    while index + 8 <= count {
      let word = loadUnaligned(fromByteOffset: index, as: UInt64.self)
      let controls = (word &- ones &* 0x20) & ~word
      let deletes = word ^ (ones &* 0x7F)
      if (controls | ((deletes &- ones) & ~deletes)) & (ones &* 0x80) != 0 {
        for byte in slice(index..<(index + 8)) where !byte.isFieldByte { return false }
      }
      index += 8
    }
    while index < count {
      if !self[index].isFieldByte { return false }
      index += 1
    }
    return true
  }

  /// Whether these are the bytes of `text`.
  @inline(__always)
  func equals(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount, let base = baseAddress else { return count == text.utf8CodeUnitCount }
    return memcmp(base, text.utf8Start, count) == 0
  }

  /// Without the blanks and tabs around it.
  var trimmed: UnsafeRawBufferPointer {
    var start = 0
    var end = count
    while start < end, self[start].isBlank { start += 1 }
    while end > start, self[end - 1].isBlank { end -= 1 }
    return slice(start..<end)
  }

  func equalsIgnoringCase(_ other: UnsafeRawBufferPointer) -> Bool {
    guard count == other.count else { return false }
    for index in 0..<count where self[index].lowercased != other[index].lowercased { return false }
    return true
  }

  func equalsIgnoringCase(_ text: StaticString) -> Bool {
    equalsIgnoringCase(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Calls `body` with each element of a comma separated list, without the blanks around it.
  func forEachListElement(_ body: (UnsafeRawBufferPointer) -> Void) {
    var start = 0
    while start <= count {
      let end = firstOffset(of: Byte.comma, from: start) ?? count
      let element = slice(start..<end).trimmed
      if !element.isEmpty { body(element) }
      start = end + 1
    }
  }

  var string: String { String(decoding: self, as: UTF8.self) }
}

extension [UInt8] {
  mutating func append(_ text: StaticString) {
    append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Appends `number` in decimal, or in hexadecimal as chunk sizes are written.
  mutating func append(number: Int, radix: Int = 10) {
    let start = count
    var rest = Swift.max(number, 0)
    repeat {
      let digit = UInt8(truncatingIfNeeded: rest % radix)
      append(digit < 10 ? 0x30 + digit : 0x57 + digit)
      rest /= radix
    } while rest > 0
    self[start...].reverse()
  }

  /// Appends `text` as a JSON string, quotes included. What nobody sees, or what steers a terminal, is escaped.
  mutating func append(json text: String) {
    append(Byte.quote)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\":
        append(Byte.backslash)
        append(UInt8(truncatingIfNeeded: scalar.value))
      case "\n": append("\\n")
      case "\r": append("\\r")
      case "\t": append("\\t")
      case _ where scalar.isVisible: append(contentsOf: UTF8.encode(scalar) ?? .init())
      default: for unit in UTF16.encode(scalar) ?? .init() { append(escaped: unit) }
      }
    }
    append(Byte.quote)
  }

  private mutating func append(escaped unit: UInt16) {
    append("\\u")
    for shift in [12, 8, 4, 0] as [UInt16] { append(number: Int(unit >> shift & 15), radix: 16) }
  }
}

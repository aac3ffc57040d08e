/// A JSON value (RFC 8259).
public enum JSONValue: Sendable, Equatable {
  case object([String: JSONValue])
  case array([JSONValue])
  case string(String)
  case number(Double)
  case bool(Bool)
  case null
}

/// Why a text is not the JSON that is expected; never quotes the text.
public struct JSONError: Error, Equatable {
  public let message: String
  /// It is JSON, but of another kind than an object.
  public let isOtherKind: Bool

  init(_ message: String, isOtherKind: Bool = false) {
    self.message = message
    self.isOtherKind = isOtherKind
  }
}

/// A strict reader of JSON objects.
///
/// A text must mean the same to everybody who reads it, a token above all (RFC 7519, section 4; RFC 8725, section 2.4): so
/// this refuses what readers differ in, members twice in one object, NUL and lone surrogates in strings, integers over 64
/// bits. It also refuses deep nesting. What it accepts, the library that checks a token's signature accepts too.
public struct JSONParser {
  public static let maximumDepth = 32
  /// Members and elements of a text, in all. No text that is read here has nearly as many, and each takes more memory than
  /// the two bytes that it can be written with.
  public static let maximumValues = 10_000

  private let bytes: [UInt8]
  private var position = 0
  private var values = 0

  /// Reads a text that is one object and nothing else but white space.
  /// - Parameter skipsByteOrderMark: whether the text may begin with one, as some editors and programs write it. A token
  ///   may not.
  public static func object(
    _ bytes: [UInt8], skipsByteOrderMark: Bool = false
  ) throws(JSONError) -> [String: JSONValue] {
    guard (try? UTF8Span(validating: bytes.span)) != nil else { throw JSONError("not UTF-8") }
    var parser = JSONParser(bytes: bytes)
    if skipsByteOrderMark { parser.skipByteOrderMark() }
    parser.skipBlanks()
    guard parser.take("{") else { throw JSONError("no object", isOtherKind: parser.isOtherValue()) }
    let members = try parser.members(depth: 1)
    parser.skipBlanks()
    guard parser.position == bytes.count else { throw JSONError("more after the object") }
    return members
  }

  private init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  private mutating func skipByteOrderMark() {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  /// Whether the rest is one value that is not an object, and nothing else. Nothing is made of it, and of one with more
  /// values than are read the rest is ignored.
  private mutating func isOtherValue() -> Bool {
    do {
      try skipValue(depth: 0)
      skipBlanks()
      return position == bytes.count
    } catch {
      return values > Self.maximumValues
    }
  }

  private mutating func skipValue(depth: Int) throws(JSONError) {
    guard depth <= Self.maximumDepth else { throw JSONError("nested too deeply") }
    skipBlanks()
    if take("\"") {
      try skipString()
    } else if take("[") {
      try skipList(closedBy: "]") { parser throws(JSONError) in try parser.skipValue(depth: depth + 1) }
    } else if take("{") {
      try skipList(closedBy: "}") { parser throws(JSONError) in
        parser.skipBlanks()
        guard parser.take("\"") else { throw JSONError("no name of a member") }
        try parser.skipString()
        parser.skipBlanks()
        guard parser.take(":") else { throw JSONError("no colon after a name") }
        try parser.skipValue(depth: depth + 1)
      }
    } else if !take(word: "true"), !take(word: "false"), !take(word: "null") {
      try skipNumber()
    }
  }

  private mutating func skipList(
    closedBy end: Unicode.Scalar, _ element: (inout JSONParser) throws(JSONError) -> Void
  ) throws(JSONError) {
    skipBlanks()
    if take(end) { return }
    repeat {
      try count()
      try element(&self)
      skipBlanks()
    } while take(",")
    guard take(end) else { throw JSONError("a list is not closed") }
  }

  private mutating func skipString() throws(JSONError) {
    while let byte = next, byte >= 0x20 {
      position += 1
      if byte == UInt8(ascii: "\"") { return }
      if byte == UInt8(ascii: "\\") { _ = try escaped() }
    }
    throw JSONError("a string is not closed")
  }

  private mutating func count() throws(JSONError) {
    values += 1
    guard values <= Self.maximumValues else { throw JSONError("more than \(Self.maximumValues) values") }
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func take(word: String) -> Bool {
    guard bytes[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func skipBlanks() {
    while let byte = next, " \t\n\r".utf8.contains(byte) { position += 1 }
  }

  /// What follows `{`.
  private mutating func members(depth: Int) throws(JSONError) -> [String: JSONValue] {
    guard depth <= Self.maximumDepth else { throw JSONError("nested too deeply") }
    var members: [String: JSONValue] = [:]
    skipBlanks()
    if take("}") { return members }
    repeat {
      skipBlanks()
      guard take("\"") else { throw JSONError("no name of a member") }
      try count()
      let name = try string()
      skipBlanks()
      guard take(":") else { throw JSONError("no colon after a name") }
      guard members.updateValue(try value(depth: depth), forKey: name) == nil else {
        throw JSONError("a member is there twice")
      }
      skipBlanks()
    } while take(",")
    guard take("}") else { throw JSONError("an object is not closed") }
    return members
  }

  /// What follows `[`.
  private mutating func elements(depth: Int) throws(JSONError) -> [JSONValue] {
    guard depth <= Self.maximumDepth else { throw JSONError("nested too deeply") }
    var elements: [JSONValue] = []
    skipBlanks()
    if take("]") { return elements }
    repeat {
      try count()
      elements.append(try value(depth: depth))
      skipBlanks()
    } while take(",")
    guard take("]") else { throw JSONError("an array is not closed") }
    return elements
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    skipBlanks()
    if take("\"") { return .string(try string()) }
    if take(word: "true") { return .bool(true) }
    if take(word: "false") { return .bool(false) }
    if take(word: "null") { return .null }
    if take("{") { return .object(try members(depth: depth + 1)) }
    if take("[") { return .array(try elements(depth: depth + 1)) }
    return .number(try number())
  }

  private mutating func number() throws(JSONError) -> Double {
    let start = position
    let isInteger = try skipNumber()
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard !isInteger || Int64(text) != nil, let number = Double(text), number.isFinite else {
      throw JSONError("a number out of range")
    }
    return number
  }

  /// - Returns: whether it is written as a whole one.
  @discardableResult
  private mutating func skipNumber() throws(JSONError) -> Bool {
    var isInteger = true
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") {
      isInteger = false
      try digits()
    }
    if take("e") || take("E") {
      isInteger = false
      _ = take("+") || take("-")
      try digits()
    }
    return isInteger
  }

  private mutating func digits() throws(JSONError) {
    let start = position
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    guard position > start else { throw JSONError("no value where one belongs") }
  }

  /// What follows the opening quotation mark.
  private mutating func string() throws(JSONError) -> String {
    var text = ""
    while true {
      let start = position
      while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { position += 1 }
      let run = String(decoding: bytes[start..<position], as: UTF8.self)
      guard let byte = next else { throw JSONError("a string is not closed") }
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return text.isEmpty ? run : text + run
      case UInt8(ascii: "\\"):
        text += run
        text.unicodeScalars.append(try escaped())
      default: throw JSONError("a control character in a string")
      }
    }
  }

  /// What follows a backslash.
  private mutating func escaped() throws(JSONError) -> Unicode.Scalar {
    guard let byte = next else { throw JSONError("a string is not closed") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try escapedUnicode()
    default: throw JSONError("an unknown escape in a string")
    }
  }

  private mutating func escapedUnicode() throws(JSONError) -> Unicode.Scalar {
    let unit = try codeUnit()
    guard unit != 0 else { throw JSONError("NUL in a string") }
    if let scalar = Unicode.Scalar(unit) { return scalar }
    let halfPair = JSONError("half a surrogate pair in a string")
    guard UTF16.isLeadSurrogate(unit), take(word: "\\u") else { throw halfPair }
    let trail = try codeUnit()
    guard UTF16.isTrailSurrogate(trail),
      let scalar = Unicode.Scalar(0x10000 + UInt32(unit & 0x3FF) << 10 + UInt32(trail & 0x3FF))
    else { throw halfPair }
    return scalar
  }

  private mutating func codeUnit() throws(JSONError) -> UInt16 {
    guard bytes.count - position >= 4 else { throw JSONError("a string is not closed") }
    var unit: UInt16 = 0
    for byte in bytes[position..<(position + 4)] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw JSONError("an unknown escape in a string")
      }
      unit = unit << 4 | UInt16(digit)
    }
    position += 4
    return unit
  }
}

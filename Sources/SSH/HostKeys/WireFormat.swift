/// Reads SSH's data types (RFC 4251, section 5) one after another.
struct WireReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: some Sequence<UInt8>) { rest = Array(bytes)[...] }

  /// Without a copy.
  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// Whether all bytes were read.
  var isAtEnd: Bool { rest.isEmpty }

  /// The next byte, or nil if there is none.
  mutating func byte() -> UInt8? { rest.popFirst() }

  /// The next number, or nil if there are too few bytes.
  mutating func uint32() -> UInt32? {
    guard rest.count >= 4 else { return nil }
    let value = rest.prefix(4).reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
    rest.removeFirst(4)
    return value
  }

  /// The next string, which may hold any bytes, or nil if there are too few.
  mutating func string() -> [UInt8]? {
    guard let length = uint32(), rest.count >= Int(length) else { return nil }
    defer { rest.removeFirst(Int(length)) }
    return Array(rest.prefix(Int(length)))
  }

  /// The first string; of a public key, the name of its algorithm (RFC 4253, section 6.6).
  func firstString() -> [UInt8]? {
    var copy = self
    return copy.string()
  }
}

/// Writes SSH's data types (RFC 4251, section 5) one after another.
struct WireWriter {
  private(set) var bytes: [UInt8]

  init(after bytes: [UInt8] = []) { self.bytes = bytes }

  mutating func byte(_ value: UInt8) { bytes.append(value) }
  mutating func uint32(_ value: UInt32) { withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) } }
  mutating func uint64(_ value: UInt64) { withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) } }

  mutating func string(_ value: some Collection<UInt8>) {
    uint32(UInt32(clamping: value.count))
    bytes.append(contentsOf: value)
  }

  mutating func string(_ value: String) { string(value.utf8) }
}

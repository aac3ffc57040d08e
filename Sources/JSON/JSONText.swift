/// Writes JSON as the upstream knows it from Python: compact, keys sorted, ASCII alone, one newline at the end.
public enum JSONText {
  public indirect enum Value: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByBooleanLiteral {
    case null
    case bool(Bool)
    case int(Int)
    /// Null when it is no finite number, for which JSON has no form.
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
    // Runs of bytes that stand for themselves, and of those that do not, which are few.
    string.withUTF8 { text in
      var rest = text[...]
      while !rest.isEmpty {
        let plain = rest.prefix { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
        bytes += plain
        rest = rest[plain.endIndex...]
        let ascii = rest.first.map { $0 < 0x80 } ?? true
        let odd = ascii ? rest.prefix(1) : rest.prefix { $0 >= 0x80 }
        for unit in String(decoding: odd, as: UTF8.self).utf16 { escape(unit, into: &bytes) }
        rest = rest[odd.endIndex...]
      }
    }
    bytes.append(UInt8(ascii: "\""))
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
      for shift in stride(from: 12, through: 0, by: -4) { bytes.append(digits[Int((unit >> UInt16(shift)) & 15)]) }
    }
  }

  private static let digits = Array("0123456789abcdef".utf8)
}

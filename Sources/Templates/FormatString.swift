/// A text with `{FIELD}` in it, as Python's `str.format` reads it: `{FIELD}` becomes a value, `{{` becomes `{`, `}}` becomes `}`.
///
/// The upstream writes its job scripts in this form. Where this type accepts a text, it renders what Python renders. It accepts
/// less: a field is a bare name out of a given set, without index, attribute, conversion (`!r`) or format (`:>10`), and a lone
/// brace is an error that says where it is. Values are not parsed, so braces in them mean nothing.
///
/// ```swift
/// let script = try FormatString(parsing: "{SETUP}\nf() {{ true; }}\n", fields: ["SETUP"])
/// script.render(["SETUP": "export A=1"])  // "export A=1\nf() { true; }\n"
/// ```
///
/// Source: "Format String Syntax" in the Python Library Reference. Parsing and rendering take time linear in the text.
public struct FormatString: Sendable {
  /// The text between the fields, with `{{` and `}}` already turned into single braces. There is always one part more than
  /// there are fields; a part may be empty.
  public let literalParts: [String]

  /// The fields, in the order of the text; `fields[i]` is between `literalParts[i]` and `literalParts[i + 1]`.
  private let fields: [String]

  /// The names of the fields that occur.
  public let used: Set<String>

  /// Parses a text.
  /// - Parameters:
  ///   - text: the text, of any length, with any line ends.
  ///   - fields: the names that may occur. A name is made of ASCII letters, digits and `_`.
  ///   - once: whether each may occur once at most. The value of a field may be long, and a text of other people
  ///     names it as often as it likes.
  /// - Throws: a ``FormatError`` for the first thing in the text that is neither literal text nor one of these fields.
  public init(parsing text: String, fields: Set<String>, once: Bool = false) throws(FormatError) {
    var text = text
    // `withUTF8` rethrows untyped, so the outcome is carried out of it as a value.
    let parsed = text.withUTF8 { bytes in
      Result { () throws(FormatError) in try FormatParser(bytes: bytes, known: fields, once: once).parse() }
    }
    (literalParts, self.fields) = try parsed.get()
    used = Set(self.fields)
  }

  /// The text with each field replaced by its value.
  ///
  /// A field that has no value here stays as it is written, `{FIELD}`: visible, where an empty text would hide the mistake.
  public func render(_ values: [String: String]) -> String {
    var rendered = literalParts[0]
    for (field, literal) in zip(fields, literalParts.dropFirst()) {
      rendered += values[field] ?? "{\(field)}"
      rendered += literal
    }
    return rendered
  }
}

/// What is wrong in a text given to ``FormatString``, and where.
public struct FormatError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The line, from 1.
  public let line: Int
  /// The column, from 1, in characters.
  public let column: Int
  /// What is wrong and how to write it instead; without the place.
  public let message: String

  public var description: String { "line \(line), column \(column): \(message)" }
}

/// One pass over the bytes of a text.
private struct FormatParser {
  let bytes: UnsafeBufferPointer<UInt8>
  let known: Set<String>
  let once: Bool

  private static let open = UInt8(ascii: "{")
  private static let close = UInt8(ascii: "}")

  func parse() throws(FormatError) -> (literals: [String], fields: [String]) {
    var literals: [String] = []
    var fields: [String] = []
    var literal: [UInt8] = []
    var position = 0
    while position < bytes.count {
      let run = bytes[position...].firstIndex { $0 == Self.open || $0 == Self.close } ?? bytes.count
      literal.append(contentsOf: bytes[position..<run])
      guard run < bytes.count else { break }
      let brace = bytes[run]
      if run + 1 < bytes.count, bytes[run + 1] == brace {
        literal.append(brace)
        position = run + 2
      } else if brace == Self.close {
        throw error(at: run, "single '}'; write '}}' for a brace")
      } else {
        let name = try field(openedAt: run)
        if once, fields.contains(name) {
          throw error(at: run, "the field '{\(name)}' occurs twice; it is allowed once")
        }
        literals.append(String(decoding: literal, as: UTF8.self))
        literal.removeAll(keepingCapacity: true)
        fields.append(name)
        position = run + name.utf8.count + 2
      }
    }
    literals.append(String(decoding: literal, as: UTF8.self))
    return (literals, fields)
  }

  /// The name of the field whose `{` is at `start`.
  private func field(openedAt start: Int) throws(FormatError) -> String {
    let end = bytes[(start + 1)...].firstIndex { !Self.isNameByte($0) } ?? bytes.count
    let name = String(decoding: bytes[(start + 1)..<end], as: UTF8.self)
    guard end < bytes.count, bytes[end...].contains(Self.close) else {
      throw error(at: start, "unmatched '{'; write '{{' for a brace")
    }
    let next = bytes[end]
    let endsName = next == Self.close || "!:.[".utf8.contains(next)
    guard endsName, !name.isEmpty else {
      throw error(at: start, "'{' without the name of a field; write '{{' for a brace")
    }
    guard known.contains(name) else {
      let expected = known.sorted().map { "{\($0)}" }.joined(separator: ", ")
      throw error(
        at: start,
        "unknown field '{\(name.prefix(64))}'; write '{{' and '}}' for braces"
          + (expected.isEmpty ? "" : ", known fields are \(expected)"))
    }
    guard next == Self.close else {
      throw error(
        at: end, "the field '{\(name)}' takes no conversion, format, attribute or index; write '{\(name)}' alone")
    }
    return name
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private func error(at offset: Int, _ message: String) -> FormatError {
    let position = TextPosition(ofByte: offset, in: bytes)
    return FormatError(line: position.line, column: position.column, message: message)
  }
}

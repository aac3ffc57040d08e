/// The fields of a message, in their order; names are compared without regard to case (RFC 9110 section 5).
///
/// All names and values lie in one array of bytes, so that reading a request makes no string that nobody asks for
/// and writing a response copies bytes. A value that is not UTF-8 is read with replacement characters.
public struct Headers: Sendable {
  private struct Field: Sendable {
    var name: Range<Int>
    var value: Range<Int>
  }

  private var bytes: [UInt8] = []
  private var fields: [Field] = []

  public init() {}

  /// The number of fields.
  public var count: Int { fields.count }

  /// The value of the first field of that name.
  public subscript(name: String) -> String? {
    var name = name
    let value = name.withUTF8 { name in
      bytes.withUnsafeBytes { all in
        fields.first { all.slice($0.name).equalsIgnoringCase(UnsafeRawBufferPointer(name)) }?.value
      }
    }
    return value.map(string)
  }

  /// The values of all fields of that name, in order.
  public func values(of name: String) -> [String] {
    fields.filter { matches($0, name) }.map { string($0.value) }
  }

  /// Adds a field after the others.
  ///
  /// Control bytes in the value, line ends above all, become blanks: a value can never smuggle in a field of its own.
  /// A name that is not a token (RFC 9110 section 5.6.2) adds nothing.
  public mutating func append(_ name: String, _ value: String) {
    guard !name.isEmpty, name.utf8.allSatisfy(\.isTokenByte) else { return }
    let nameStart = bytes.count
    bytes.append(contentsOf: name.utf8)
    let valueStart = bytes.count
    bytes.append(contentsOf: value.utf8)
    for index in valueStart..<bytes.count where !bytes[index].isFieldByte { bytes[index] = Byte.space }
    fields.append(Field(name: nameStart..<valueStart, value: valueStart..<bytes.count))
  }

  /// Replaces all fields of that name by one, after the others.
  public mutating func set(_ name: String, _ value: String) {
    remove(name)
    append(name, value)
  }

  /// Removes all fields of that name.
  public mutating func remove(_ name: String) {
    fields = fields.filter { !matches($0, name) }
  }

  /// Adds a field line that was already found to be well formed.
  mutating func append(validLine line: UnsafeRawBufferPointer, name: Range<Int>, value: Range<Int>) {
    if fields.isEmpty {
      bytes.reserveCapacity(512)
      fields.reserveCapacity(12)
    }
    let start = bytes.count
    bytes.append(contentsOf: line)
    fields.append(
      Field(
        name: (start + name.lowerBound)..<(start + name.upperBound),
        value: (start + value.lowerBound)..<(start + value.upperBound)))
  }

  /// Empties the fields, in the same memory when nobody else has a copy.
  mutating func removeAllKeepingCapacity() {
    bytes.removeAll(keepingCapacity: true)
    fields.removeAll(keepingCapacity: true)
  }

  /// The bytes of names and values, and those between them.
  var byteCount: Int { bytes.count }

  /// Calls `body` with the bytes of each name and value, in order.
  func forEachField(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    bytes.withUnsafeBytes { all in
      for field in fields { body(all.slice(field.name), all.slice(field.value)) }
    }
  }

  /// Calls `body` with the value's bytes of the first field of that name.
  func withValue<Result>(
    of name: StaticString, _ body: (UnsafeRawBufferPointer) throws(HTTPError) -> Result
  ) throws(HTTPError) -> Result? {
    let length = name.utf8CodeUnitCount
    for field in fields where field.name.count == length {
      if let result = try bytes.withBytes({ all throws(HTTPError) -> Result? in
        all.slice(field.name).equalsIgnoringCase(name) ? try body(all.slice(field.value)) : nil
      }) {
        return result
      }
    }
    return nil
  }

  private func string(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

  private func matches(_ field: Field, _ name: String) -> Bool {
    guard field.name.count == name.utf8.count else { return false }
    return zip(bytes[field.name], name.utf8).allSatisfy { $0.lowercased == $1.lowercased }
  }
}

extension Headers: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, String)...) {
    for (name, value) in elements { append(name, value) }
  }
}

extension Headers: Sequence {
  public func makeIterator() -> some IteratorProtocol<(name: String, value: String)> {
    fields.lazy.map { (name: string($0.name), value: string($0.value)) }.makeIterator()
  }
}

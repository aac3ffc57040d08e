/// The fields of a form, in the order they were sent.
public struct FormFields: Sendable {
  /// Values are the bytes that were sent; `filename` is set for an uploaded file.
  public var fields: [(name: String, value: [UInt8], filename: String?)] = []

  /// The most bytes of the fields before a part's value.
  private static let longestHead = 8192

  /// The most fields a form may have.
  static let limit = 1000

  /// The value of the first field of that name that is not a file; nil when it is not UTF-8.
  public subscript(name: String) -> String? { bytes(of: name).flatMap { String(validating: $0, as: UTF8.self) } }

  /// The value of the first field of that name that is not a file, as it was sent.
  public func bytes(of name: String) -> [UInt8]? { fields.first { $0.name == name && $0.filename == nil }?.value }

  /// Reads `application/x-www-form-urlencoded`.
  init(urlEncoded body: [UInt8]) throws(HTTPError) {
    let pairs = try body.withBytes { bytes throws(HTTPError) in
      try Percent.decodePairs(bytes, limit: Self.limit, what: "the form")
    }
    fields = pairs.map { (name: $0.name, value: $0.value, filename: nil) }
  }

  /// Reads `multipart/form-data` (RFC 7578). Bytes before the first and after the last boundary are ignored.
  init(multipart body: [UInt8], boundary: String) throws(HTTPError) {
    guard (1...70).contains(boundary.utf8.count) else { throw .badRequest("the multipart boundary is malformed") }
    let delimiter = Array("\r\n--\(boundary)".utf8)
    fields = try body.withBytes { bytes throws(HTTPError) in
      try delimiter.withBytes { delimiter throws(HTTPError) in try Self.parts(of: bytes, delimiter: delimiter) }
    }
  }

  private static func parts(
    of body: UnsafeRawBufferPointer, delimiter: UnsafeRawBufferPointer
  ) throws(HTTPError) -> [(name: String, value: [UInt8], filename: String?)] {
    var parts: [(name: String, value: [UInt8], filename: String?)] = []
    // The first boundary may be at the very start, without the line end that belongs to all others.
    let first = delimiter.slice(2..<delimiter.count)
    var start: Int
    if body.starts(with: first) {
      start = first.count
    } else if let found = body.firstOffset(of: delimiter) {
      start = found + delimiter.count
    } else {
      throw .badRequest("the form does not contain its multipart boundary")
    }
    while true {
      let rest = body.slice(start..<body.count)
      if rest.count >= 2, rest[0] == UInt8(ascii: "-"), rest[1] == UInt8(ascii: "-") { return parts }
      guard let lineEnd = rest.firstOffset(of: Byte.lineFeed), lineEnd > 0, rest[lineEnd - 1] == Byte.carriageReturn,
        rest.slice(0..<(lineEnd - 1)).trimmed.isEmpty
      else { throw .badRequest("a multipart boundary is malformed") }
      // From the line end on, so that a part without content still ends in one.
      let partStart = start + lineEnd - 1
      guard let partEnd = body.firstOffset(of: delimiter, from: partStart) else {
        throw .badRequest("the form ends in the middle of a part")
      }
      guard parts.count < limit else { throw .badRequest("the form has more than \(limit) fields") }
      parts.append(try part(body.slice(min(partStart + 2, partEnd)..<partEnd)))
      start = partEnd + delimiter.count
    }
  }

  /// One part: fields, an empty line, the value.
  private static func part(
    _ bytes: UnsafeRawBufferPointer
  ) throws(HTTPError) -> (name: String, value: [UInt8], filename: String?) {
    var start = 0
    var disposition: MediaType?
    while true {
      guard let end = bytes.firstOffset(of: Byte.lineFeed, from: start), end > start,
        bytes[end - 1] == Byte.carriageReturn, end <= longestHead
      else { throw .badRequest("the fields of a multipart part do not end, or are too long") }
      let line = bytes.slice(start..<(end - 1))
      start = end + 1
      if line.isEmpty { break }
      if let colon = line.firstOffset(of: Byte.colon),
        line.slice(0..<colon).equalsIgnoringCase("Content-Disposition")
      {
        disposition = MediaType(line.slice((colon + 1)..<line.count).trimmed.string)
      }
    }
    guard let disposition, disposition.name == "form-data", let name = disposition.parameters["name"] else {
      throw .badRequest("a multipart part has no form-data name")
    }
    return (name, Array(bytes[start...]), disposition.parameters["filename"])
  }
}

/// A value with parameters, such as `multipart/form-data; boundary="x"` (RFC 9110 section 5.6.6).
struct MediaType {
  /// In lower case.
  var name: String
  /// Names in lower case; of two with one name the first counts.
  var parameters: [String: String] = [:]

  init(_ text: String) {
    let bytes = Array(text.utf8)
    let nameEnd = bytes.firstIndex(of: Byte.semicolon) ?? bytes.count
    name = Self.word(bytes[..<nameEnd]).lowercased()
    var index = nameEnd
    while index < bytes.count {
      index += 1
      guard let equals = bytes[index...].firstIndex(where: { $0 == Byte.equals || $0 == Byte.semicolon }) else {
        return
      }
      let key = Self.word(bytes[index..<equals]).lowercased()
      index = equals
      if bytes[equals] == Byte.semicolon { continue }
      index += 1
      var value: [UInt8] = []
      if index < bytes.count, bytes[index] == Byte.quote {
        index += 1
        while index < bytes.count, bytes[index] != Byte.quote {
          // Only \" is an escape: browsers send a path's backslashes as they are.
          if bytes[index] == Byte.backslash, index + 1 < bytes.count, bytes[index + 1] == Byte.quote { index += 1 }
          value.append(bytes[index])
          index += 1
        }
        index = bytes[index...].firstIndex(of: Byte.semicolon) ?? bytes.count
      } else {
        let end = bytes[index...].firstIndex(of: Byte.semicolon) ?? bytes.count
        value = Array(Self.word(bytes[index..<end]).utf8)
        index = end
      }
      if parameters[key] == nil { parameters[key] = String(decoding: value, as: UTF8.self) }
    }
  }

  private static func word(_ bytes: ArraySlice<UInt8>) -> String {
    bytes.withUnsafeBytes { $0.trimmed.string }
  }
}

extension [UInt8] {
  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws(HTTPError) -> Result) throws(HTTPError) -> Result {
    try withUnsafeBytes { buffer -> Swift.Result<Result, HTTPError> in
      do throws(HTTPError) { return .success(try body(buffer)) } catch { return .failure(error) }
    }.get()
  }
}

/// Percent-encoding (RFC 3986 section 2.1), undone.
enum Percent {
  /// Replaces each `%XX` by its byte, once, and `+` by a blank where that is the custom (queries and forms).
  /// - Throws: 400 when a `%` is not followed by two hexadecimal digits.
  static func decode(_ bytes: UnsafeRawBufferPointer, plusIsBlank: Bool = false) throws(HTTPError) -> [UInt8] {
    var isWellFormed = true
    let decoded = [UInt8](unsafeUninitializedCapacity: bytes.count) { decoded, count in
      var index = 0
      while index < bytes.count {
        var byte = bytes[index]
        index += 1
        if byte == Byte.percent {
          guard index + 1 < bytes.count, let high = bytes[index].hexValue, let low = bytes[index + 1].hexValue else {
            isWellFormed = false
            return
          }
          byte = high << 4 | low
          index += 2
        } else if plusIsBlank, byte == UInt8(ascii: "+") {
          byte = Byte.space
        }
        decoded[count] = byte
        count += 1
      }
    }
    guard isWellFormed else { throw .badRequest("a percent sign is not followed by two hexadecimal digits") }
    return decoded
  }

  /// The same for text, which has to be UTF-8 without NUL.
  /// - Parameter what: how the text is called in the error, such as "the path".
  static func decodeText(
    _ bytes: UnsafeRawBufferPointer, plusIsBlank: Bool = false, what: String
  ) throws(HTTPError) -> String {
    try text(decode(bytes, plusIsBlank: plusIsBlank), what: what)
  }

  static func text(_ bytes: [UInt8], what: String) throws(HTTPError) -> String {
    guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
      throw .badRequest("\(what) is not UTF-8 text")
    }
    return text
  }

  /// The pairs of `a=1&b=2`, decoded; a name without `=` has an empty value.
  /// - Throws: 400 for a broken escape, for a name that is not UTF-8, or for more than `limit` pairs.
  static func decodePairs(
    _ bytes: UnsafeRawBufferPointer, limit: Int = 1000, what: String
  ) throws(HTTPError) -> [(name: String, value: [UInt8])] {
    var pairs: [(name: String, value: [UInt8])] = []
    var start = 0
    while start < bytes.count {
      let end = bytes.firstOffset(of: Byte.ampersand, from: start) ?? bytes.count
      let pair = bytes.slice(start..<end)
      start = end + 1
      if pair.isEmpty { continue }
      guard pairs.count < limit else { throw .badRequest("\(what) has more than \(limit) fields") }
      let nameEnd = pair.firstOffset(of: Byte.equals) ?? pair.count
      let value = pair.slice(min(nameEnd + 1, pair.count)..<pair.count)
      pairs.append(
        (
          name: try decodeText(pair.slice(0..<nameEnd), plusIsBlank: true, what: what),
          value: try decode(value, plusIsBlank: true)
        ))
    }
    return pairs
  }
}

extension String {
  /// Calls `body` with the text's bytes, without a copy where it lies in one piece.
  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws(HTTPError) -> Result) throws(HTTPError) -> Result {
    var text = self
    let outcome = text.withUTF8 { buffer -> Swift.Result<Result, HTTPError> in
      do throws(HTTPError) { return .success(try body(UnsafeRawBufferPointer(buffer))) } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }
}

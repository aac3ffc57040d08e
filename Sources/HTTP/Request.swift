/// A request that arrived whole.
public struct Request: Sendable {
  /// As sent; methods are case-sensitive (RFC 9110 section 9.1).
  public var method: String
  /// The request target as sent.
  public var target: String
  /// The path, percent-decoded once; `*` for `OPTIONS *`.
  public var path: String
  /// The pairs of the query, decoded, in order.
  public var query: [(name: String, value: String)]
  public var headers: Headers
  public var body: [UInt8]
  /// What stood in the places of the route's `{name}`s, each decoded by itself: it may hold a slash.
  public var parameters: [String: String] = [:]
  /// Where the request came from, such as `127.0.0.1:5321` or `[::1]:5321`.
  public var remoteAddress: String

  /// The path as sent, without scheme, authority and query: what routes are matched with.
  let rawPath: String

  /// - Throws: 400 when the target cannot be understood.
  public init(
    method: String, target: String, headers: Headers = [:], body: [UInt8] = [], remoteAddress: String = ""
  ) throws(HTTPError) {
    self.method = method
    self.target = target
    self.headers = headers
    self.body = body
    self.remoteAddress = remoteAddress
    let parts = try target.withBytes { bytes throws(HTTPError) in try TargetParts(bytes, method: method) }
    // The usual target is its own path: it is shared, not made again.
    rawPath = parts.path ?? target
    query = parts.query
    path = rawPath
    if parts.isPathEncoded {
      path = try rawPath.withBytes { bytes throws(HTTPError) in try Percent.decodeText(bytes, what: "the path") }
    }
  }

  /// The fields of a form, sent as `application/x-www-form-urlencoded` or `multipart/form-data`.
  /// - Throws: ``HTTPError`` 415 for another content type, 400 for a form that is malformed.
  public func form() throws -> FormFields {
    let contentType = headers["Content-Type"] ?? ""
    let mediaType = MediaType(contentType)
    switch mediaType.name {
    case "application/x-www-form-urlencoded": return try FormFields(urlEncoded: body)
    case "multipart/form-data":
      guard let boundary = mediaType.parameters["boundary"] else {
        throw HTTPError.badRequest("multipart/form-data without a boundary")
      }
      return try FormFields(multipart: body, boundary: boundary)
    default:
      throw HTTPError(
        .unsupportedMediaType, code: "unsupported_media_type",
        contentType.isEmpty ? "the request has no Content-Type" : "this call does not take that Content-Type",
        hint: "send application/x-www-form-urlencoded or multipart/form-data")
    }
  }
}

/// The parts of a request target (RFC 9112 section 3.2).
private struct TargetParts {
  /// nil when it is the whole target.
  var path: String?
  var isPathEncoded = false
  var query: [(name: String, value: String)] = []

  init(_ target: UnsafeRawBufferPointer, method: String) throws(HTTPError) {
    var start = 0
    if target.first != Byte.slash {
      // asterisk-form; CONNECT's authority-form names no path, and no route will take it.
      if target.count == 1, target.first == UInt8(ascii: "*"), method == "OPTIONS" { return }
      if method == "CONNECT" { return }
      guard let authority = Self.authorityStart(target) else {
        throw .badRequest("the request target is neither a path nor an http URL")
      }
      start = Self.authorityEnd(target, from: authority)
      guard Host.isValid(target.slice(authority..<start)), start > authority else {
        throw .badRequest("the request target's authority is malformed")
      }
    }
    let questionMark = target.firstOffset(of: Byte.questionMark, from: start)
    let pathBytes = target.slice(start..<(questionMark ?? target.count))
    if pathBytes.count != target.count { path = pathBytes.isEmpty ? "/" : pathBytes.string }
    isPathEncoded = pathBytes.firstOffset(of: Byte.percent) != nil
    if let questionMark {
      query = try Percent.decodePairs(target.slice((questionMark + 1)..<target.count), what: "the query")
    }
  }

  /// Where the authority of an absolute-form target begins.
  private static func authorityStart(_ target: UnsafeRawBufferPointer) -> Int? {
    for (scheme, length) in [("http://" as StaticString, 7), ("https://", 8)]
    where target.count > length && target.slice(0..<length).equalsIgnoringCase(scheme) {
      return length
    }
    return nil
  }

  private static func authorityEnd(_ target: UnsafeRawBufferPointer, from start: Int) -> Int {
    (start..<target.count).first { target[$0] == Byte.slash || target[$0] == Byte.questionMark } ?? target.count
  }
}

/// The Host field's value, `uri-host [ ":" port ]` (RFC 9110 section 7.2).
enum Host {
  static func isValid(_ value: UnsafeRawBufferPointer) -> Bool {
    var end = 0
    if value.first == UInt8(ascii: "[") {
      guard let close = value.firstOffset(of: UInt8(ascii: "]")), close > 1 else { return false }
      guard value.slice(1..<close).allSatisfy({ isNameByte($0) || $0 == Byte.colon }) else { return false }
      end = close + 1
    } else {
      end = value.firstOffset(of: Byte.colon) ?? value.count
      guard value.slice(0..<end).allSatisfy({ isNameByte($0) || $0 == Byte.percent }) else { return false }
    }
    guard end < value.count else { return true }
    return value[end] == Byte.colon && value.count - end <= 6
      && value.slice((end + 1)..<value.count).allSatisfy(\.isDigit)
  }

  /// unreserved and sub-delims of RFC 3986.
  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "!"),
      UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"),
      UInt8(ascii: "*"), UInt8(ascii: "+"), Byte.comma, Byte.semicolon, Byte.equals:
      true
    default: false
    }
  }
}

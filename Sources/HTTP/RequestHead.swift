/// How a request's body ends (RFC 9112 section 6.3).
enum Framing: Sendable, Equatable {
  case none
  case length(Int)
  case chunked
}

/// A request line and its fields, checked.
struct RequestHead: Sendable {
  var method: String
  var target: String
  var isHTTP10: Bool
  var headers: Headers
  var framing: Framing
  /// The connection stays open after the answer, as far as the client is concerned.
  var keepsAlive: Bool
  /// The client waits for `100 Continue` before it sends the body.
  var expectsContinue: Bool
}

/// `GET /path HTTP/1.1` (RFC 9112 section 3).
struct RequestLine {
  var method: String
  var target: String
  var isHTTP10: Bool

  /// - Parameter line: the line without its line end.
  init(_ line: UnsafeRawBufferPointer) throws(HTTPError) {
    guard let methodEnd = line.firstOffset(of: Byte.space), methodEnd > 0,
      let targetEnd = line.firstOffset(of: Byte.space, from: methodEnd + 1), targetEnd > methodEnd + 1
    else { throw .badRequest("the request line is not: method, blank, target, blank, version") }
    let methodBytes = line.slice(0..<methodEnd)
    guard methodBytes.allSatisfy(\.isTokenByte) else { throw .badRequest("the method is malformed") }
    let targetBytes = line.slice((methodEnd + 1)..<targetEnd)
    guard targetBytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
      throw .badRequest("the request target holds a byte that has to be percent-encoded")
    }
    isHTTP10 = try Self.isHTTP10(line.slice((targetEnd + 1)..<line.count))
    method = methodBytes.string
    target = targetBytes.string
  }

  private static func isHTTP10(_ version: UnsafeRawBufferPointer) throws(HTTPError) -> Bool {
    guard version.count == 8, version.starts(with: "HTTP/".utf8), version[5].isDigit, version[6] == UInt8(ascii: "."),
      version[7].isDigit
    else { throw .badRequest("the HTTP version is malformed") }
    guard version[5] == UInt8(ascii: "1"), version[7] <= UInt8(ascii: "1") else {
      throw HTTPError(
        .httpVersionNotSupported, code: "http_version_not_supported", "this server speaks HTTP/1.1 and HTTP/1.0")
    }
    return version[7] == UInt8(ascii: "0")
  }
}

/// Gathers a head line by line, and what its fields say about framing and the connection.
struct HeadBuilder {
  private enum TransferEncoding {
    case absent
    case chunked
    /// Something else; whether `chunked` is the last coding of it.
    case other(endsChunked: Bool)
  }

  /// The bytes of the field lines so far, line ends included.
  private(set) var byteCount = 0
  private let line: RequestLine
  private var headers = Headers(reservingBytes: 512, fields: 12)
  private var hostCount = 0
  private var contentLength: Int?
  private var transferEncoding = TransferEncoding.absent
  private var asksClose = false
  private var asksKeepAlive = false
  private var expectsContinue = false
  private var hasUnknownExpectation = false

  init(_ line: RequestLine) { self.line = line }

  /// Adds a field line, given without its line end (RFC 9112 section 5).
  mutating func add(_ fieldLine: UnsafeRawBufferPointer, limit: Int) throws(HTTPError) {
    guard headers.count < limit else { throw .headersTooLarge }
    let (name, value) = try Self.field(fieldLine)
    headers.append(validName: name, value: value)
    byteCount += fieldLine.count + 2
    // By length first, so that most fields cost one comparison.
    switch name.count {
    case 4 where name.equalsIgnoringCase("host"):
      hostCount += 1
      guard Host.isValid(value) else { throw .badRequest("the Host field is malformed") }
    case 6 where name.equalsIgnoringCase("expect"):
      if value.equalsIgnoringCase("100-continue") { expectsContinue = true } else { hasUnknownExpectation = true }
    case 10 where name.equalsIgnoringCase("connection"):
      value.forEachListElement { option in
        if option.equalsIgnoringCase("close") { asksClose = true }
        if option.equalsIgnoringCase("keep-alive") { asksKeepAlive = true }
      }
    case 14 where name.equalsIgnoringCase("content-length"):
      let length = try Self.contentLength(value)
      guard contentLength == nil || contentLength == length else {
        throw .badRequest("two Content-Length fields that differ")
      }
      contentLength = length
    case 17 where name.equalsIgnoringCase("transfer-encoding"):
      noteTransferEncoding(value)
    default: break
    }
  }

  /// The name and value of a field line. Neither folding nor a blank before the colon is taken: both have been used
  /// to show two servers two different messages.
  static func field(
    _ line: UnsafeRawBufferPointer
  ) throws(HTTPError) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    guard let colon = line.firstOffset(of: Byte.colon), colon > 0,
      line.slice(0..<colon).allSatisfy(\.isTokenByte)
    else { throw .badRequest("a header field's name is malformed") }
    let value = line.slice((colon + 1)..<line.count).trimmed
    guard value.allSatisfy(\.isFieldByte) else { throw .badRequest("a header field holds a control character") }
    return (line.slice(0..<colon), value)
  }

  /// 18 digits are more than any body, and cannot overflow.
  private static func contentLength(_ value: UnsafeRawBufferPointer) throws(HTTPError) -> Int {
    guard (1...18).contains(value.count), value.allSatisfy(\.isDigit) else {
      throw .badRequest("the Content-Length is not a number")
    }
    return value.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
  }

  private mutating func noteTransferEncoding(_ value: UnsafeRawBufferPointer) {
    if case .absent = transferEncoding, value.equalsIgnoringCase("chunked") {
      transferEncoding = .chunked
    } else {
      var endsChunked = false
      var chunkedCount = 0
      value.forEachListElement { coding in
        endsChunked = coding.equalsIgnoringCase("chunked")
        if endsChunked { chunkedCount += 1 }
      }
      // A second field, or chunked twice, is no list that anyone has reason to send.
      if case .absent = transferEncoding, chunkedCount == 1 {
        transferEncoding = .other(endsChunked: endsChunked)
      } else {
        transferEncoding = .other(endsChunked: false)
      }
    }
  }

  /// The head, when its fields agree with one another.
  func finish() throws(HTTPError) -> RequestHead {
    guard hostCount == 1 || (hostCount == 0 && line.isHTTP10) else {
      throw .badRequest("HTTP/1.1 needs exactly one Host field")
    }
    let framing = try framing()
    if hasUnknownExpectation {
      throw HTTPError(.expectationFailed, code: "expectation_failed", "no expectation but 100-continue can be met")
    }
    return RequestHead(
      method: line.method, target: line.target, isHTTP10: line.isHTTP10, headers: headers, framing: framing,
      keepsAlive: !asksClose && (!line.isHTTP10 || asksKeepAlive),
      expectsContinue: expectsContinue && !line.isHTTP10)
  }

  private func framing() throws(HTTPError) -> Framing {
    switch transferEncoding {
    case .absent:
      guard let contentLength, contentLength > 0 else { return .none }
      return .length(contentLength)
    case .chunked:
      // RFC 9112 section 6.1: such a message may be an attempt at request smuggling.
      guard contentLength == nil else { throw .badRequest("both Transfer-Encoding and Content-Length") }
      guard !line.isHTTP10 else { throw .badRequest("HTTP/1.0 has no Transfer-Encoding") }
      return .chunked
    case .other(let endsChunked):
      guard endsChunked, contentLength == nil, !line.isHTTP10 else {
        throw .badRequest("the Transfer-Encoding does not end in chunked")
      }
      throw HTTPError(.notImplemented, code: "not_implemented", "no Transfer-Encoding but chunked is understood")
    }
  }
}

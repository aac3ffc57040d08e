/// How a request's body ends (RFC 9112 section 6.3).
enum Framing: Sendable, Equatable {
  case none
  case length(Int)
  case chunked
}

/// A request line and its fields, checked.
struct RequestHead: Sendable {
  /// Its body, its parameters and where it came from are not in it yet, and its target is not taken apart.
  var request: Request
  var isHTTP10: Bool
  var framing: Framing
  /// The connection stays open after the answer, as far as the client is concerned.
  var keepsAlive: Bool
  /// The client waits for `100 Continue` before it sends the body.
  var expectsContinue: Bool

  var method: String { request.method }
  var target: String { request.target }
  var headers: Headers { request.headers }
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
    else { throw .badRequest("the request line is malformed: expected method, space, target, space, version") }
    let methodBytes = line.slice(0..<methodEnd)
    guard methodBytes.isToken else { throw .badRequest("the method is malformed") }
    let targetBytes = line.slice((methodEnd + 1)..<targetEnd)
    guard targetBytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
      throw .badRequest("the request target has a byte that must be percent-encoded")
    }
    isHTTP10 = try Self.isHTTP10(line.slice((targetEnd + 1)..<line.count))
    method = Self.method(methodBytes)
    target = targetBytes.string
  }

  init() {
    method = ""
    target = ""
    isHTTP10 = false
  }

  /// The usual two are not made again.
  private static func method(_ bytes: UnsafeRawBufferPointer) -> String {
    if bytes.equals("GET") { return "GET" }
    if bytes.equals("POST") { return "POST" }
    return bytes.string
  }

  private static func isHTTP10(_ version: UnsafeRawBufferPointer) throws(HTTPError) -> Bool {
    if version.equals("HTTP/1.1") { return false }
    guard version.count == 8, version.slice(0..<5).equals("HTTP/"), version[5].isDigit, version[6] == UInt8(ascii: "."),
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
  private(set) var line = RequestLine()
  private var headers = Headers()
  private var hostCount = 0
  private var contentLength: Int?
  private var transferEncoding = TransferEncoding.absent
  private var asksClose = false
  private var asksKeepAlive = false
  private var expectsContinue = false
  private var hasUnknownExpectation = false
  private var requestIDCount = 0
  private var requestID: String?

  init() {}

  /// - Parameter spare: a finished request, whose memory may be used again.
  init(_ line: RequestLine, spare: Request.Storage?) {
    self.line = line
    if let spare { swap(&headers, &spare.headers) }
  }

  /// Adds a field line, given without its line end (RFC 9112 section 5).
  mutating func add(_ fieldLine: UnsafeRawBufferPointer, limit: Int) throws(HTTPError) {
    guard headers.count < limit else { throw .headersTooLarge }
    let (nameRange, valueRange) = try Self.ranges(fieldLine)
    headers.append(validLine: fieldLine, name: nameRange, value: valueRange)
    byteCount += fieldLine.count + 2
    // By length first, so that most fields cost one comparison.
    let name = fieldLine.slice(nameRange)
    let value = fieldLine.slice(valueRange)
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
    case 12 where name.equalsIgnoringCase("x-request-id"):
      requestIDCount += 1
      // Of two it is not known which is meant.
      requestID = requestIDCount == 1 && RequestID.isAcceptable(value) ? value.string : nil
    case 14 where name.equalsIgnoringCase("content-length"):
      let length = try Self.contentLength(value)
      guard contentLength == nil || contentLength == length else {
        throw .badRequest("the Content-Length fields differ")
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
    let (name, value) = try ranges(line)
    return (line.slice(name), line.slice(value))
  }

  private static func ranges(
    _ line: UnsafeRawBufferPointer
  ) throws(HTTPError) -> (name: Range<Int>, value: Range<Int>) {
    guard let colon = line.firstOffset(of: Byte.colon), line.slice(0..<colon).isToken else {
      throw .badRequest("a header field's name is malformed")
    }
    var start = colon + 1
    var end = line.count
    while start < end, line[start].isBlank { start += 1 }
    while end > start, line[end - 1].isBlank { end -= 1 }
    guard line.slice(start..<end).isFieldValue else {
      throw .badRequest("a header field holds a control character")
    }
    return (0..<colon, start..<end)
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
      // A second field, or chunked twice, is not a list that anyone has reason to send.
      if case .absent = transferEncoding, chunkedCount == 1 {
        transferEncoding = .other(endsChunked: endsChunked)
      } else {
        transferEncoding = .other(endsChunked: false)
      }
    }
  }

  /// The head, when its fields agree with one another.
  /// - Parameter spare: a finished request, whose memory may be used again; it is, on return.
  mutating func finish(spare: inout Request.Storage?) throws(HTTPError) -> RequestHead {
    guard hostCount == 1 || (hostCount == 0 && line.isHTTP10) else {
      throw .badRequest("HTTP/1.1 needs exactly one Host field")
    }
    let framing = try framing()
    if hasUnknownExpectation {
      throw HTTPError(.expectationFailed, code: "expectation_failed", "the only supported expectation is 100-continue")
    }
    let storage = spare.take() ?? Request.Storage()
    storage.method = line.method
    storage.target = line.target
    storage.givenID = requestID
    swap(&storage.headers, &headers)
    return RequestHead(
      request: Request(storage), isHTTP10: line.isHTTP10, framing: framing,
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
      guard contentLength == nil else { throw .badRequest("the request has both Transfer-Encoding and Content-Length") }
      guard !line.isHTTP10 else { throw .badRequest("HTTP/1.0 has no Transfer-Encoding") }
      return .chunked
    case .other(let endsChunked):
      guard endsChunked, contentLength == nil, !line.isHTTP10 else {
        throw .badRequest("the Transfer-Encoding does not end in chunked")
      }
      throw HTTPError(.notImplemented, code: "not_implemented", "the only supported Transfer-Encoding is chunked")
    }
  }
}

/// What of a request decides how its response is framed.
struct ResponseFraming: Sendable {
  var isHead: Bool
  var isHTTP10: Bool
  var keepsAlive: Bool

  /// How the bytes of a streamed body are told from what follows.
  enum StreamEnd: Sendable {
    case length(remaining: Int)
    case chunked
    /// HTTP/1.0 without a length: the connection's end is the body's.
    case close
  }
}

extension [UInt8] {
  /// Appends a response's head and, unless it is a stream, its body (RFC 9112 sections 2.1 and 6).
  /// - Returns: how the stream of the body ends; nil when there is nothing more to write.
  mutating func append(
    _ response: Response, framing: ResponseFraming, date: [UInt8]
  ) -> ResponseFraming.StreamEnd? {
    let status = (200...599).contains(response.status.code) ? response.status : .internalServerError
    if status == .ok {
      append("HTTP/1.1 200 OK\r\nDate: ")
    } else {
      append("HTTP/1.1 ")
      append(number: status.code)
      append(Byte.space)
      append(contentsOf: status.reason.utf8)
      append("\r\nDate: ")
    }
    append(contentsOf: date)
    append("\r\n")
    response.headers.forEachField { name, value in
      if name.isWrittenByServer { return }
      append(contentsOf: name)
      append(": ")
      append(contentsOf: value)
      append("\r\n")
    }
    // Neither 204 nor 304 has a body, whatever a handler gives (RFC 9110 section 6.4.1).
    let hasBody = status.code != 204 && status.code != 304
    var end: ResponseFraming.StreamEnd?
    var body: [UInt8] = []
    switch response.body {
    case .bytes(let bytes):
      if hasBody { appendLength(bytes.count) }
      body = bytes
    case .stream(let length?, _):
      if hasBody { appendLength(length) }
      end = .length(remaining: Swift.max(length, 0))
    case .stream(nil, _):
      if hasBody, !framing.isHTTP10 { append("Transfer-Encoding: chunked\r\n") }
      end = framing.isHTTP10 ? .close : .chunked
    }
    if !framing.keepsAlive {
      append("Connection: close\r\n")
    } else if framing.isHTTP10 {
      append("Connection: keep-alive\r\n")
    }
    append("\r\n")
    guard hasBody, !framing.isHead else { return nil }
    append(contentsOf: body)
    return end
  }

  private mutating func appendLength(_ length: Int) {
    append("Content-Length: ")
    append(number: length)
    append("\r\n")
  }
}

extension UnsafeRawBufferPointer {
  /// A field that the server writes itself, so that the framing is always right.
  fileprivate var isWrittenByServer: Bool {
    switch count {
    case 4: equalsIgnoringCase("date")
    case 10: equalsIgnoringCase("connection") || equalsIgnoringCase("keep-alive")
    case 14: equalsIgnoringCase("content-length")
    case 17: equalsIgnoringCase("transfer-encoding")
    default: false
    }
  }
}

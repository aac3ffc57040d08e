import Glibc

/// What of a request decides how its response is framed.
struct ResponseFraming: Sendable {
  var isHead: Bool
  var isHTTP10: Bool
  var keepsAlive: Bool

  /// How the end of a streamed body is found.
  enum StreamEnd: Sendable {
    case length(remaining: Int)
    case chunked
    /// HTTP/1.0 without a length: the connection's end is the body's.
    case close
  }
}

extension Response {
  /// The status that is sent: a final one, whatever a handler gives.
  var sentStatus: Int { (200...599).contains(status.code) ? status.code : 500 }
}

extension OutputBuffer {
  /// Appends a response's head and, unless it is a stream, its body (RFC 9112 sections 2.1 and 6).
  /// - Returns: how the stream of the body ends; nil when there is nothing more to write.
  mutating func append(
    _ response: borrowing Response, id: RequestID, framing: ResponseFraming, date: [UInt8]
  ) -> ResponseFraming.StreamEnd? {
    let code = response.sentStatus
    // Neither 204 nor 304 has a body, whatever a handler gives (RFC 9110 section 6.4.1).
    let hasBody = code != 204 && code != 304
    var end: ResponseFraming.StreamEnd?
    var length: Int?
    switch response.body {
    case .bytes(let bytes): length = bytes.count
    case .stream(let announced?, _):
      length = max(announced, 0)
      end = .length(remaining: max(announced, 0))
    case .stream(nil, _): end = framing.isHTTP10 ? .close : .chunked
    }
    let headers = response.headers
    // Status line, Date, X-Request-ID, framing and Connection take less than 384 bytes.
    append(atMost: 384 + headers.byteCount + 4 * headers.count) { room in
      var cursor = Cursor(room)
      cursor.putStatusLine(code)
      cursor.put("Date: ")
      date.withUnsafeBytes { cursor.put($0) }
      cursor.put("\r\n")
      cursor.put(id)
      cursor.put(headers)
      if hasBody, let length {
        cursor.put("Content-Length: ")
        cursor.put(number: length)
        cursor.put("\r\n")
      } else if hasBody, !framing.isHTTP10 {
        cursor.put("Transfer-Encoding: chunked\r\n")
      }
      // Upgrade is for this connection alone, and the one who sends it has to say so (RFC 9110 section 7.8).
      if code == 426 { cursor.put("Connection: upgrade\r\n") }
      if !framing.keepsAlive {
        cursor.put("Connection: close\r\n")
      } else if framing.isHTTP10 {
        cursor.put("Connection: keep-alive\r\n")
      }
      cursor.put("\r\n")
      return cursor.position - room
    }
    guard hasBody, !framing.isHead else { return nil }
    if case .bytes(let bytes) = response.body { append(body: bytes) }
    return end
  }

  /// Appends the answer after which the connection is no more HTTP's.
  mutating func append(switchingTo upgrade: Upgrade, id: RequestID, date: [UInt8]) {
    var headers = upgrade.headers
    headers.set("Upgrade", upgrade.name)
    append(atMost: 384 + headers.byteCount + 4 * headers.count) { room in
      var cursor = Cursor(room)
      cursor.put("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nDate: ")
      date.withUnsafeBytes { cursor.put($0) }
      cursor.put("\r\n")
      cursor.put(id)
      cursor.put(headers)
      cursor.put("\r\n")
      return cursor.position - room
    }
  }

  /// Appends a chunk of a body (RFC 9112 section 7.1).
  mutating func append(chunk bytes: [UInt8]) {
    append(atMost: 24) { room in
      var cursor = Cursor(room)
      cursor.put(number: bytes.count, radix: 16)
      cursor.put("\r\n")
      return cursor.position - room
    }
    append(body: bytes)
    append("\r\n")
  }
}

/// Where the next byte goes. Its maker has made sure of the room.
private struct Cursor {
  private(set) var position: UnsafeMutableRawPointer

  init(_ position: UnsafeMutableRawPointer) { self.position = position }

  @inline(__always)
  mutating func put(_ text: StaticString) {
    memcpy(position, text.utf8Start, text.utf8CodeUnitCount)
    position += text.utf8CodeUnitCount
  }

  mutating func put(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    memcpy(position, base, bytes.count)
    position += bytes.count
  }

  mutating func put(_ headers: Headers) {
    headers.forEachField { name, value in
      if name.isWrittenByServer { return }
      put(name)
      put(": ")
      put(value)
      put("\r\n")
    }
  }

  mutating func put(_ id: RequestID) {
    put("X-Request-ID: ")
    id.withBytes { put($0) }
    put("\r\n")
  }

  mutating func put(byte: UInt8) {
    position.storeBytes(of: byte, as: UInt8.self)
    position += 1
  }

  /// In decimal, or in hexadecimal as chunk sizes are written.
  mutating func put(number: Int, radix: Int = 10) {
    let number = max(number, 0)
    var scale = 1
    while number / scale >= radix { scale *= radix }
    while scale > 0 {
      let digit = UInt8(truncatingIfNeeded: number / scale % radix)
      put(byte: digit < 10 ? 0x30 + digit : 0x57 + digit)
      scale /= radix
    }
  }

  mutating func putStatusLine(_ code: Int) {
    if code == 200 { return put("HTTP/1.1 200 OK\r\n") }
    put("HTTP/1.1 ")
    put(number: code)
    put(" ")
    put(Status(code).phrase)
    put("\r\n")
  }
}

extension UnsafeRawBufferPointer {
  /// A field that the server writes itself, so that the framing is always right.
  fileprivate var isWrittenByServer: Bool {
    switch count {
    case 4: equalsIgnoringCase("date")
    case 10: equalsIgnoringCase("connection") || equalsIgnoringCase("keep-alive")
    case 12: equalsIgnoringCase("x-request-id")
    case 14: equalsIgnoringCase("content-length")
    case 17: equalsIgnoringCase("transfer-encoding")
    default: false
    }
  }
}

/// Finds the requests in a stream of bytes.
///
/// The caller keeps the bytes: it shows the parser a window of all that was not consumed yet, and shows it again, with
/// more at its end, when the parser asks for more. The outcome does not depend on how the stream was cut into windows,
/// and no byte is read more than a few times however small the cuts.
struct RequestParser {
  enum Event {
    /// The head is complete. ``expectBody(limit:)`` has to follow.
    case head(RequestHead)
    /// The request is complete; this is its body.
    case end([UInt8])
  }

  private enum State {
    case requestLine(emptyLines: Int)
    case fields
    case limitPending(Framing)
    case body(remaining: Int)
    case chunked
    /// An error was thrown: where the next request would begin cannot be known.
    case failed
  }

  private let limits: Limits
  private var state = State.requestLine(emptyLines: 0)
  /// How far into the window the end of the current line was looked for already.
  private var scanned = 0
  private var head = HeadBuilder()
  private var chunked: ChunkedBody
  private var body: [UInt8] = []
  /// A finished request, whose memory the next may use.
  var spare: Request.Storage?

  init(limits: Limits) {
    self.limits = limits
    chunked = ChunkedBody(limit: 0, limits: limits)
  }

  /// Between two requests, with no byte of the next consumed; an empty line before it is none.
  var isIdle: Bool {
    if case .requestLine = state { return true }
    return false
  }

  /// In the body of a request, after its head.
  var isInBody: Bool {
    switch state {
    case .limitPending, .body, .chunked: true
    case .requestLine, .fields, .failed: false
    }
  }

  /// How much of the body is there.
  var bodyCount: Int { body.count }

  /// Forgets what has come of a body that nobody will read.
  mutating func discardBody() { body = [] }

  /// The next event in `window` from `offset` on, which moves past what was consumed; nil when more bytes are needed.
  /// - Throws: the error that the client gets. The connection has to be closed then.
  mutating func next(in window: UnsafeRawBufferPointer, from offset: inout Int) throws(HTTPError) -> Event? {
    do throws(HTTPError) {
      return try advance(window, &offset)
    } catch {
      // The head is still the one before.
      if case .requestLine = state { head = HeadBuilder() }
      state = .failed
      throw error
    }
  }

  /// The line of a request whose head did not come whole, or was refused; empty when that is not known either.
  var unfinishedLine: RequestLine {
    if case .requestLine = state { return RequestLine() }
    return head.line
  }

  /// Says how large a body the request that just began may have, in bytes.
  /// - Throws: 413 when it is announced to be larger.
  mutating func expectBody(limit: Int) throws(HTTPError) {
    guard case .limitPending(let framing) = state else { return }
    switch framing {
    case .none: state = .body(remaining: 0)
    case .chunked:
      chunked = ChunkedBody(limit: limit, limits: limits)
      state = .chunked
    case .length(let length):
      guard length <= limit else {
        state = .failed
        throw .contentTooLarge
      }
      state = .body(remaining: length)
    }
  }

  private mutating func advance(
    _ window: UnsafeRawBufferPointer, _ offset: inout Int
  ) throws(HTTPError) -> Event? {
    while true {
      switch state {
      case .requestLine(let emptyLines):
        guard try beginRequest(window, &offset, emptyLines: emptyLines) else { return nil }
      case .fields:
        while let line = try nextLine(
          window, &offset, limit: max(0, limits.headerBytes - head.byteCount - 2), tooLong: .headersTooLarge)
        {
          if line.isEmpty {
            let complete = try head.finish(spare: &spare)
            state = .limitPending(complete.framing)
            return .head(complete)
          }
          try head.add(line, limit: limits.headerCount)
        }
        return nil
      case .limitPending: return nil
      case .body(let remaining):
        let taken = min(remaining, window.count - offset)
        append(window.slice(offset..<(offset + taken)), remaining: remaining)
        offset += taken
        state = .body(remaining: remaining - taken)
        return taken == remaining ? finishRequest() : nil
      case .chunked:
        let isComplete = try chunked.advance(window, &offset, scanned: &scanned, into: &body)
        return isComplete ? finishRequest() : nil
      case .failed: return nil
      }
    }
  }

  /// Reads the request line; false when it is not there yet.
  private mutating func beginRequest(
    _ window: UnsafeRawBufferPointer, _ offset: inout Int, emptyLines: Int
  ) throws(HTTPError) -> Bool {
    // Something that is not HTTP at all, TLS for example, may never send a line end: refuse its first byte.
    if offset < window.count, !window[offset].isTokenByte, window[offset] != Byte.carriageReturn {
      throw .badRequest("this is not HTTP")
    }
    guard let line = try nextLine(window, &offset, limit: limits.requestLine, tooLong: .uriTooLong) else {
      return false
    }
    if line.isEmpty {
      // RFC 9112 section 2.2: some clients send a line end too many after a body.
      guard emptyLines < 2 else { throw .badRequest("empty lines in place of a request") }
      state = .requestLine(emptyLines: emptyLines + 1)
    } else {
      head = HeadBuilder(try RequestLine(line), spare: spare)
      state = .fields
    }
    return true
  }

  /// Memory for a long body is taken as its parts really come, twice of what is there, not because a client says so.
  private mutating func append(_ bytes: UnsafeRawBufferPointer, remaining: Int) {
    if body.count + bytes.count > body.capacity {
      let promised = body.count + remaining
      body.reserveCapacity(min(promised, max(262_144, 2 * (body.count + bytes.count))))
    }
    body.append(contentsOf: bytes)
  }

  private mutating func finishRequest() -> Event {
    let complete = body
    if !body.isEmpty { body = [] }
    state = .requestLine(emptyLines: 0)
    return .end(complete)
  }

  private mutating func nextLine(
    _ window: UnsafeRawBufferPointer, _ offset: inout Int, limit: Int, tooLong: HTTPError
  ) throws(HTTPError) -> UnsafeRawBufferPointer? {
    try Line.next(in: window, from: &offset, scanned: &scanned, limit: limit, tooLong: tooLong)
  }
}

/// Lines ended by CR LF.
enum Line {
  /// The next line without its line end; nil when it has not come whole.
  ///
  /// A line feed alone ends no line here: RFC 9112 section 2.2 would allow it, but a proxy that sees the lines of a
  /// head differently than we do is how requests are smuggled.
  /// - Parameters:
  ///   - scanned: how many bytes after `offset` are known to hold no line feed.
  ///   - limit: the most bytes the line may have, without its line end.
  static func next(
    in window: UnsafeRawBufferPointer, from offset: inout Int, scanned: inout Int, limit: Int,
    tooLong: @autoclosure () -> HTTPError
  ) throws(HTTPError) -> UnsafeRawBufferPointer? {
    guard let end = window.firstOffset(of: Byte.lineFeed, from: offset + scanned) else {
      scanned = window.count - offset
      if scanned > limit + 1 { throw tooLong() }
      return nil
    }
    scanned = 0
    let hasReturn = end > offset && window[end - 1] == Byte.carriageReturn
    let line = window.slice(offset..<(hasReturn ? end - 1 : end))
    if line.count > limit { throw tooLong() }
    guard hasReturn else { throw .badRequest("a line does not end in CR LF") }
    offset = end + 1
    return line
  }
}

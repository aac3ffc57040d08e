/// Finds the requests in what a client sends: keeps the bytes whose turn has not come, and knows until when more have to
/// come.
struct RequestReader {
  private var parser: RequestParser
  /// What was read and not consumed: the begin of a request, or pipelined ones that have to wait.
  private var input: [UInt8] = []
  private var start = 0
  /// Some of the input was not parsed yet, because its turn had not come.
  private(set) var isHeld = false
  /// When the head being read has to be complete; `.max` between requests.
  private var headDeadline: Nanoseconds
  /// When more of the body being read has to be here; `.max` before anything of it is.
  private var bodyDeadline = Nanoseconds.max
  /// How much of the body ``deadline(_:)`` has seen.
  private var timedBody = 0

  /// With this much consumed the input is moved to the front.
  private static let mostConsumed = 65_536

  init(limits: Limits, timeouts: Timeouts) {
    parser = RequestParser(limits: limits)
    headDeadline = .deadline(in: timeouts.header)
  }

  /// Between two requests, with nothing of the next.
  var isIdle: Bool { parser.isIdle && input.isEmpty }
  /// In the body of a request, after its head.
  var isInBody: Bool { parser.isInBody }
  /// How much of that body is there.
  var bodyCount: Int { parser.bodyCount }
  /// The bytes of the input in memory.
  var inputCount: Int { input.count }
  /// The line of a request whose head did not come whole, or was refused; empty when that is not known either.
  var unfinishedLine: RequestLine { parser.unfinishedLine }

  // MARK: Input

  /// Whether bytes are kept that have to be parsed before any new ones.
  var hasInput: Bool { !input.isEmpty }

  /// What is kept and not consumed.
  var rest: ArraySlice<UInt8> { input[start...] }

  mutating func keep(_ bytes: some Collection<UInt8>) { input.append(contentsOf: bytes) }

  /// Forgets the first bytes of the ``rest``.
  mutating func consume(_ count: Int) {
    start += count
    if start >= input.count {
      forgetInput()
    } else if start > Self.mostConsumed {
      input.removeFirst(start)
      start = 0
    }
  }

  mutating func forgetInput() {
    input = []
    start = 0
  }

  /// The ``rest``, which another protocol takes over.
  mutating func takeRest() -> ArraySlice<UInt8> {
    defer { forgetInput() }
    return rest
  }

  /// Notes whether bytes were left that are not parsed yet.
  mutating func hold(_ isHeld: Bool) { self.isHeld = isHeld }

  // MARK: Requests

  /// The next part of a request in `window` from `offset` on, which moves past what was consumed; nil when more bytes are
  /// needed. ``expectBody(limit:)`` has to follow a head.
  /// - Throws: the error that the client gets. The connection has to be closed then.
  mutating func next(
    in window: UnsafeRawBufferPointer, from offset: inout Int
  ) throws(HTTPError) -> RequestParser.Event? {
    let event = try parser.next(in: window, from: &offset)
    if case .head = event {
      headDeadline = .max
      bodyDeadline = .max
      timedBody = 0
    }
    return event
  }

  /// Says how large a body the request that just began may have, in bytes.
  /// - Throws: 413 when it is announced to be larger.
  mutating func expectBody(limit: Int) throws(HTTPError) { try parser.expectBody(limit: limit) }

  /// Forgets what came of a body that nobody will read.
  mutating func discardBody() { parser.discardBody() }

  /// Lends the memory of a finished request to the next one.
  mutating func lend(_ spare: inout Request.Storage?) { parser.spare = spare.take() }

  /// Gives that memory back, if it was not used.
  mutating func giveBack(to spare: inout Request.Storage?) {
    if let unused = parser.spare.take() { spare = unused }
  }

  // MARK: Time

  /// When more has to be here. A head has a time for all of it, which begins with its first byte; a body has to keep up
  /// the rate that ``Timeouts`` says.
  mutating func deadline(_ timeouts: Timeouts) -> Nanoseconds {
    if parser.isInBody {
      let fresh = parser.bodyCount - timedBody
      bodyDeadline = timeouts.prolonged(bodyDeadline, by: fresh, atMost: timeouts.bodyIdle)
      timedBody = parser.bodyCount
      return bodyDeadline
    }
    if headDeadline == .max {
      if isIdle { return .deadline(in: timeouts.keepAliveIdle) }
      headDeadline = .deadline(in: timeouts.header)
    }
    return headDeadline
  }
}

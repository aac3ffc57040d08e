import CEpoll
import Glibc
import Logging

/// A client's connection: bytes in, requests, handlers, bytes out.
///
/// One request at a time: while an answer is awaited nothing more is read, so that pipelined requests are answered in
/// order, what a client may have us hold is bounded, and it waits when we do. All of it is confined to its loop's
/// queue; that is why the class may be called Sendable. `Connection+Answering.swift` has the way from a request to its
/// response.
final class Connection: Pollable, @unchecked Sendable {
  enum Phase {
    /// Reading a request, or waiting for one.
    case receiving
    /// A ``Answer/later(_:)`` runs.
    case answering(Exchange)
    /// A response's body is being produced.
    case streaming(BodyStream)
    /// The last answer is written as far as the client takes it; then the end.
    case closing
    /// Our side is shut; what the client still sends is read and dropped, for an answer it has not read yet would be
    /// lost to a reset (RFC 9112 section 9.6).
    case lingering(until: Nanoseconds)
    case closed
  }

  let context: ConnectionContext
  let remoteAddress: String
  var phase = Phase.receiving
  /// The request whose body is being read.
  var pending: PendingRequest?
  /// The request being read is a HEAD, as far as is known: then a refusal has no body either.
  var refusalIsHead = false
  var output: [UInt8] = []
  private(set) var deadline: Nanoseconds

  private let fd: Int32
  private var parser: RequestParser
  /// What was read and not consumed: the begin of a request, or pipelined ones that have to wait.
  private var input: [UInt8] = []
  private var inputStart = 0
  /// Some of the input was not even looked at, because its turn had not come.
  private var isHeld = false
  private var outputStart = 0
  private var interest = EPOLLIN.rawValue
  /// When the head being read has to be complete; `.max` between requests.
  private var headDeadline: Nanoseconds

  /// With this much unsent no further request is answered, and no more of a streamed body asked for.
  private static let highWater = 65_536

  init(fd: Int32, remoteAddress: String, context: ConnectionContext) {
    self.fd = fd
    self.remoteAddress = remoteAddress
    self.context = context
    parser = RequestParser(limits: context.limits)
    headDeadline = .deadline(in: context.timeouts.header)
    deadline = headDeadline
  }

  /// Begins to listen to the client; false when that cannot be.
  func start() -> Bool { context.loop.add(self, fd: fd, events: interest) }

  // MARK: Events

  func ready(_ events: UInt32) {
    if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { return close() }
    if events & EPOLLOUT.rawValue != 0 { return proceed() }
    switch phase {
    case .receiving where !isHeld: receive()
    case .lingering(let end): discard(until: end)
    // Level-triggered epoll would tell us again and again what we do not want to read yet.
    default: listen(for: 0)
    }
  }

  func expire() {
    if outputStart < output.count { return abort() }
    switch phase {
    case .receiving where parser.isIdle && input.isEmpty, .lingering: close()
    case .receiving: refuse(.requestTimeout)
    default: deadline = .max
    }
  }

  func drain() {
    guard isQuiet else { return }
    // The request may have come, unseen so far.
    receive()
    if isQuiet { close() }
  }

  /// Between two requests, with nothing to write.
  private var isQuiet: Bool {
    guard case .receiving = phase else { return false }
    return parser.isIdle && input.isEmpty && output.isEmpty
  }

  private var isClosing: Bool {
    if case .closing = phase { return true }
    return false
  }

  /// Answers with an error and closes: where the next request begins is not known, or does not matter.
  func refuse(_ error: HTTPError) {
    writeRefusal(error)
    proceed()
  }

  // MARK: Reading

  private func receive() {
    let buffer = context.readBuffer
    let count = recv(fd, buffer.baseAddress, buffer.count, 0)
    guard count > 0 else {
      // Everything before was answered; a request that stops in its middle gets no answer.
      if count == 0 || (errno != EAGAIN && errno != EINTR) { close() }
      return
    }
    let fresh = UnsafeRawBufferPointer(buffer).slice(0..<count)
    if input.isEmpty {
      let used = consume(fresh)
      // After the last answer the rest is nobody's.
      if !isClosing { input.append(contentsOf: fresh[used...]) }
    } else {
      input.append(contentsOf: fresh)
      consumeInput()
    }
    proceed()
  }

  private func consumeInput() {
    inputStart += Self.consume(input, from: inputStart, by: self)
    if inputStart >= input.count || isClosing {
      input = []
      inputStart = 0
    } else if inputStart > Self.highWater {
      input.removeFirst(inputStart)
      inputStart = 0
    }
  }

  /// Static, so that the array is held by nobody but the argument and the property.
  private static func consume(_ input: [UInt8], from start: Int, by connection: Connection) -> Int {
    input.withUnsafeBytes { connection.consume($0.slice(start..<$0.count)) }
  }

  /// Answers the requests in `window` as long as answers are had at once.
  /// - Returns: how many bytes were consumed.
  private func consume(_ window: UnsafeRawBufferPointer) -> Int {
    var offset = 0
    var answered = 0
    do throws(HTTPError) {
      while case .receiving = phase {
        if answered >= context.limits.pipelined || output.count - outputStart > Self.highWater { break }
        guard let event = try parser.next(in: window, from: &offset) else { return offset }
        switch event {
        case .head(let head):
          headDeadline = .max
          let limit = try begin(head, hasBodyBytes: offset < window.count)
          try parser.expectBody(limit: limit)
        case .end(let body):
          answered += 1
          answer(body)
          refusalIsHead = false
        }
      }
    } catch {
      writeRefusal(error)
    }
    isHeld = offset < window.count
    return offset
  }

  private func discard(until end: Nanoseconds) {
    let buffer = context.readBuffer
    let count = recv(fd, buffer.baseAddress, buffer.count, 0)
    if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { return close() }
    arm(min(end, .deadline(in: context.timeouts.lingerIdle)))
  }

  // MARK: Writing

  /// Writes what there is to write, then does what the phase asks for next.
  func proceed() {
    guard flush() else { return }
    switch phase {
    case .receiving where isHeld:
      arm(.max)
      context.loop.queue.async { @Sendable [self] in takeTurn() }
    case .receiving:
      listen(for: EPOLLIN.rawValue)
      arm(receivingDeadline())
    case .answering:
      listen(for: interest & EPOLLIN.rawValue)
      arm(.max)
    case .streaming(let stream):
      listen(for: interest & EPOLLIN.rawValue)
      arm(.max)
      stream.resumeWriters()
    case .closing:
      shutdown(fd, Int32(SHUT_WR))
      phase = .lingering(until: .deadline(in: context.timeouts.linger))
      listen(for: EPOLLIN.rawValue)
      arm(.deadline(in: context.timeouts.lingerIdle))
    case .lingering, .closed: break
    }
  }

  /// Goes on with requests that had to wait.
  private func takeTurn() {
    guard case .receiving = phase, isHeld else { return }
    isHeld = false
    consumeInput()
    proceed()
  }

  /// - Returns: whether everything is written; if not, the connection waits for the client or is closed.
  private func flush() -> Bool {
    while outputStart < output.count {
      let sent = output.withUnsafeBytes { bytes in
        bytes.baseAddress.map { send(fd, $0 + outputStart, bytes.count - outputStart, Int32(MSG_NOSIGNAL)) }
      }
      guard let sent, sent > 0 else {
        if errno == EINTR { continue }
        if errno == EAGAIN { waitToWrite() } else { close() }
        return false
      }
      outputStart += sent
    }
    if outputStart > 0 {
      context.giveBack(output)
      output = []
      outputStart = 0
    }
    if case .closed = phase { return false }
    return true
  }

  private func waitToWrite() {
    listen(for: EPOLLOUT.rawValue)
    arm(.deadline(in: context.timeouts.writeStall))
    if outputStart > Self.highWater {
      output.removeFirst(outputStart)
      outputStart = 0
    }
    if case .streaming(let stream) = phase, output.count - outputStart < Self.highWater { stream.resumeWriters() }
  }

  // MARK: Waiting

  private func receivingDeadline() -> Nanoseconds {
    if parser.isInBody { return .deadline(in: context.timeouts.bodyIdle) }
    if headDeadline == .max {
      if parser.isIdle && input.isEmpty { return .deadline(in: context.timeouts.keepAliveIdle) }
      headDeadline = .deadline(in: context.timeouts.header)
    }
    return headDeadline
  }

  private func arm(_ moment: Nanoseconds) {
    deadline = moment
    context.loop.wake(by: moment)
  }

  private func listen(for events: UInt32) {
    guard events != interest else { return }
    interest = events
    context.loop.modify(fd: fd, events: events)
  }

  // MARK: The end

  /// Resets the connection: the client must not take what it got for the whole.
  func abort() {
    Socket.reset(fd)
    close()
  }

  func close() {
    context.loop.assertConfined()
    if case .closed = phase { return }
    if case .streaming(let stream) = phase { stream.connectionClosed() }
    phase = .closed
    pending = nil
    input = []
    inputStart = 0
    output = []
    outputStart = 0
    context.openConnections.decrement()
    context.loop.close(fd: fd)
  }
}

import CEpoll
import Glibc
import Logging

/// A client's connection: bytes in, requests, handlers, bytes out.
///
/// One request at a time: while an answer is awaited nothing more is read, so that pipelined requests are answered in
/// order, what a client may have us hold is bounded, and it waits when we do. All of it is confined to its loop's
/// queue; that is why the class may be called Sendable, and why its properties do without the run-time check of
/// exclusive access, which took a seventh of a request's instructions. `Connection+Answering.swift` has the way from a request to its
/// response.
final class Connection: Pollable, @unchecked Sendable {
  enum Phase {
    /// Reading a request, or waiting for one.
    case receiving
    /// A ``Answer/later(_:)`` runs.
    case answering(Exchange)
    /// A response's body is being produced.
    case streaming(BodyStream)
    /// The connection speaks another protocol.
    case tunneling(TunnelTask)
    /// The last answer is written as far as the client takes it; then the end.
    case closing
    /// Our side is shut; what the client still sends is read and dropped, for an answer it has not read yet would be
    /// lost to a reset (RFC 9112 section 9.6).
    case lingering(until: Nanoseconds)
    case closed
  }

  let context: ConnectionContext
  let remoteAddress: String
  let network: ClientNetwork
  @exclusivity(unchecked) var phase = Phase.receiving
  /// The request whose body is being read.
  @exclusivity(unchecked) var pending: PendingRequest?
  @exclusivity(unchecked) var output = OutputBuffer()
  /// The request that is being read or answered, if it is to be recorded.
  @exclusivity(unchecked) var access: AccessEntry?
  @exclusivity(unchecked) private(set) var deadline: Nanoseconds
  /// Of the answer that is being sent; see ``Response/lease``.
  @exclusivity(unchecked) var lease: (any AnyObject & Sendable)?
  /// Whether a request of this connection was admitted; until then it counts among its network's strangers.
  @exclusivity(unchecked) var isKnown = false

  private let fd: Int32
  @exclusivity(unchecked) private(set) var parser: RequestParser
  /// What was read and not consumed: the begin of a request, or pipelined ones that have to wait.
  @exclusivity(unchecked) private(set) var input: [UInt8] = []
  @exclusivity(unchecked) private var inputStart = 0
  /// Some of the input was not even looked at, because its turn had not come.
  @exclusivity(unchecked) private(set) var isHeld = false
  @exclusivity(unchecked) private var interest = EPOLLIN.rawValue
  /// When the head being read has to be complete; `.max` between requests.
  @exclusivity(unchecked) private var headDeadline: Nanoseconds
  /// When more of the body being read has to be here; `.max` before anything of it is.
  @exclusivity(unchecked) private var bodyDeadline = Nanoseconds.max
  /// What of this connection is counted in ``ConnectionContext/requestBytes``.
  @exclusivity(unchecked) var counted = CountedBytes()
  /// How large a body a ``Answer/later(_:)`` has that runs; it keeps it when the client has gone.
  @exclusivity(unchecked) var heldBody = 0
  /// When a client that does not take its answer is cut off; `.max` when nothing waits to be written.
  @exclusivity(unchecked) private var writeDeadline = Nanoseconds.max

  /// With this much unsent no more of a streamed body is asked for.
  static let highWater = 65_536
  /// With this much unsent no further request is answered.
  private static let answersAhead = 16_384

  init(fd: Int32, peer: Peer, context: ConnectionContext) {
    self.fd = fd
    remoteAddress = peer.address
    network = peer.network
    self.context = context
    parser = RequestParser(limits: context.limits)
    headDeadline = .deadline(in: context.timeouts.header)
    deadline = headDeadline
  }

  /// Begins to listen to the client; false when that cannot be.
  func start() -> Bool {
    guard context.loop.add(self, fd: fd, events: interest) else { return false }
    context.loop.mark(fd, as: .idleStranger)
    context.networks.add(network)
    return true
  }

  // MARK: Events

  func ready(_ events: UInt32) {
    if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 {
      // Both sides may be shut with something unread; closing then would be a reset, and could cost the answer.
      if case .lingering(let end) = phase, events & EPOLLERR.rawValue == 0 { return discard(until: end) }
      return close()
    }
    if events & EPOLLOUT.rawValue != 0 { return proceed() }
    switch phase {
    case .receiving where !isHeld: receive()
    case .tunneling(let tunnel) where tunnel.wantsInput: receive(for: tunnel)
    case .lingering(let end): discard(until: end)
    // Level-triggered epoll would tell us again and again what we do not want to read yet.
    default: listen(for: 0)
    }
  }

  func expire() {
    if !output.isEmpty { return abort() }
    switch phase {
    case .receiving where parser.isIdle && input.isEmpty, .lingering, .tunneling: close()
    case .receiving: refuse(.requestTimeout)
    default: deadline = .max
    }
  }

  func drain() {
    switch phase {
    case .streaming(let stream): stream.drain()
    case .tunneling(let tunnel): tunnel.drain()
    default: break
    }
    guard isQuiet else { return }
    // The request may have come, unseen so far.
    receive()
    if isQuiet { close() }
  }

  /// Between two requests, with nothing to write.
  var isQuiet: Bool {
    guard case .receiving = phase else { return false }
    return parser.isIdle && input.isEmpty && output.isEmpty
  }

  private var isClosing: Bool {
    if case .closing = phase { return true }
    return false
  }

  /// What is known of a request whose head was refused, or did not come whole.
  var unfinishedRequest: Request.Storage {
    let line = parser.unfinishedLine
    let request = Request.Storage()
    request.method = line.method
    request.target = line.target
    request.remoteAddress = remoteAddress
    request.id = context.makeRequestID()
    return request
  }

  /// Answers with an error and closes: where the next request begins is not known, or does not matter.
  func refuse(_ error: HTTPError) {
    writeRefusal(error)
    proceed()
  }

  // MARK: Reading

  func receive() {
    let buffer = context.readBuffer
    let count = recv(fd, buffer.baseAddress, buffer.count, 0)
    guard count > 0 else {
      // Everything before was answered; a request that stops in its middle gets no answer.
      if count == 0 || (errno != EAGAIN && errno != EINTR) { close() }
      return
    }
    defer { countBytes() }
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
    parser.spare = context.spareRequest.take()
    defer { context.spareRequest = parser.spare.take() ?? context.spareRequest }
    do throws(HTTPError) {
      while case .receiving = phase {
        if answered >= context.limits.pipelined || output.count > Self.answersAhead { break }
        guard let event = try parser.next(in: window, from: &offset) else { return offset }
        switch event {
        case .head(let head):
          headDeadline = .max
          bodyDeadline = .max
          let limit = try begin(head, hasBodyBytes: offset < window.count)
          try parser.expectBody(limit: limit)
        case .end(let body):
          answered += 1
          answer(body)
          parser.spare = context.spareRequest.take()
        }
      }
    } catch {
      writeRefusal(error)
    }
    isHeld = offset < window.count
    return offset
  }

  private func receive(for tunnel: TunnelTask) {
    let buffer = context.readBuffer
    let count = recv(fd, buffer.baseAddress, buffer.count, 0)
    if count > 0 { tunnel.received(buffer[..<count]) }
    if count == 0 { tunnel.inputEnded() }
    if count < 0, errno != EAGAIN, errno != EINTR { return close() }
    // A client that takes nothing is stalled, however much it sends.
    if output.isEmpty { arm(.deadline(in: context.timeouts.tunnelIdle)) }
    listenToTunnel(tunnel)
  }

  func listenToTunnel(_ tunnel: TunnelTask) {
    listen(for: (tunnel.wantsInput ? EPOLLIN.rawValue : 0) | (output.isEmpty ? 0 : EPOLLOUT.rawValue))
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
    context.loop.mark(fd, as: waiting)
    switch phase {
    case .receiving where isHeld:
      arm(.max)
      context.loop.perform { @Sendable [self] in takeTurn() }
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
    case .tunneling(let tunnel):
      // What came behind the request is the other protocol's.
      if !input.isEmpty {
        tunnel.received(input[inputStart...])
        input = []
        inputStart = 0
      }
      listenToTunnel(tunnel)
      arm(.deadline(in: context.timeouts.tunnelIdle))
      tunnel.resumeWriters()
    case .closing:
      shutdown(fd, Int32(SHUT_WR))
      phase = .lingering(until: .deadline(in: context.timeouts.linger))
      context.loop.mark(fd, as: .lingering)
      listen(for: EPOLLIN.rawValue)
      arm(.deadline(in: context.timeouts.lingerIdle))
    case .lingering, .closed: break
    }
  }

  /// Goes on with requests that had to wait.
  private func takeTurn() {
    guard case .receiving = phase, isHeld else { return }
    isHeld = false
    defer { countBytes() }
    consumeInput()
    proceed()
  }

  /// - Returns: whether everything is written; if not, the connection waits for the client or is closed.
  private func flush() -> Bool {
    var taken = 0
    while !output.isEmpty {
      let count = output.send(to: fd)
      guard count > 0 else {
        if errno == EINTR { continue }
        if errno == EAGAIN { waitToWrite(taken) } else { close() }
        return false
      }
      taken += count
    }
    writeDeadline = .max
    if output.capacity > 0 { context.takeMemory(of: &output) }
    if lease != nil { endLease() }
    if case .closed = phase { return false }
    return true
  }

  /// - Parameter taken: how many bytes the client has just taken.
  private func waitToWrite(_ taken: Int) {
    context.loop.mark(fd, as: .stalled)
    listen(for: EPOLLOUT.rawValue)
    writeDeadline = context.timeouts.prolonged(writeDeadline, by: taken, atMost: context.timeouts.writeStall)
    arm(writeDeadline)
    switch phase {
    case .streaming(let stream) where output.count < Self.highWater: stream.resumeWriters()
    case .tunneling(let tunnel):
      // Both may be writing: who stops reading then waits forever.
      listenToTunnel(tunnel)
      if output.count < Self.highWater { tunnel.resumeWriters() }
    default: break
    }
  }

  // MARK: Waiting

  private func receivingDeadline() -> Nanoseconds {
    if parser.isInBody {
      let fresh = parser.bodyCount - counted.body
      bodyDeadline = context.timeouts.prolonged(bodyDeadline, by: fresh, atMost: context.timeouts.bodyIdle)
      return bodyDeadline
    }
    if headDeadline == .max {
      if parser.isIdle && input.isEmpty {
        return .deadline(in: context.timeouts.keepAliveIdle)
      }
      headDeadline = .deadline(in: context.timeouts.header)
    }
    return headDeadline
  }

  private func arm(_ moment: Nanoseconds) {
    deadline = moment
    context.loop.wake(fd, by: moment)
  }

  private func listen(for events: UInt32) {
    guard events != interest else { return }
    interest = events
    context.loop.modify(fd: fd, events: events)
  }

  // MARK: The end

  /// Forgets what came of a body that nobody will read.
  func discardBody() { parser.discardBody() }

  private func recordCutOff() {
    let sent = (access?.bytesSent ?? 0) - output.count
    record(bytesSent: max(0, sent), isCutOff: true)
  }

  /// Resets the connection: the client must not take what it got for the whole.
  func abort() {
    Socket.reset(fd)
    close()
  }

  func close() {
    context.loop.assertConfined()
    if case .closed = phase { return }
    switch phase {
    case .streaming(let stream):
      recordCutOff()
      stream.connectionClosed()
    case .tunneling(let tunnel):
      recordCutOff()
      tunnel.connectionClosed()
    // It is recorded when the answer is there.
    case .answering: break
    default: access = nil
    }
    phase = .closed
    pending = nil
    input = []
    inputStart = 0
    output = OutputBuffer()
    lease = nil
    parser.discardBody()
    countBytes()
    if !isKnown { context.networks.remove(network) }
    context.openConnections.decrement()
    context.loop.close(fd: fd)
  }
}

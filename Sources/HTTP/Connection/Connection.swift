import CEpoll
import Glibc
import Logging

/// A client's connection: bytes in, requests, handlers, bytes out.
///
/// One request at a time: while an answer is awaited nothing more is read, so that pipelined requests are answered in
/// order, what a client may have us hold is bounded, and it waits when we do. All of it is confined to its loop's
/// queue; that is why the class may be called Sendable, and why its properties do without the run-time check of
/// exclusive access, which took a seventh of a request's instructions.
///
/// It has the socket and the order of events; the requests are the ``RequestPipeline``'s.
final class Connection: Pollable, @unchecked Sendable {
  private let context: ConnectionContext
  private let fd: Int32
  private let registration: LoopRegistration
  @exclusivity(unchecked) private var phase = ConnectionPhase.receiving
  @exclusivity(unchecked) private var reader: RequestReader
  @exclusivity(unchecked) private var requests: RequestPipeline
  @exclusivity(unchecked) private var output = ConnectionOutput()
  @exclusivity(unchecked) private var held: HeldBytes

  init(fd: Int32, peer: Peer, context: ConnectionContext) {
    self.fd = fd
    self.context = context
    reader = RequestReader(limits: context.limits, timeouts: context.timeouts)
    registration = LoopRegistration(fd: fd, loop: context.loop, deadline: .deadline(in: context.timeouts.header))
    requests = RequestPipeline(of: peer, context: context)
    held = HeldBytes(context.requestBytes)
  }

  /// Begins to listen to the client; false when that cannot be.
  func start() -> Bool {
    guard registration.add(self) else { return false }
    registration.mark(as: .idleStranger)
    requests.client.enter()
    return true
  }

  /// Runs `body` on the loop that the connection is confined to; from any thread.
  func onLoop(_ body: @escaping @Sendable () -> Void) { context.loop.perform(body) }

  // MARK: Events

  var deadline: Nanoseconds { registration.deadline }

  func ready(_ events: UInt32) {
    if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 {
      // Both sides may be shut with something unread; closing then would be a reset, and could cost the answer.
      if case .lingering(let end) = phase, events & EPOLLERR.rawValue == 0 { return discard(until: end) }
      return close()
    }
    if events & EPOLLOUT.rawValue != 0 { return proceed() }
    switch phase {
    case .receiving where !reader.isHeld: receive()
    case .tunneling(let tunnel) where tunnel.wantsInput: receive(for: tunnel)
    case .lingering(let end): discard(until: end)
    // Level-triggered epoll would tell us again and again what we do not want to read yet.
    default: registration.listen(for: 0)
    }
  }

  func expire() {
    if !output.isEmpty { return abort() }
    switch phase {
    case .receiving where reader.isIdle, .lingering, .tunneling: close()
    case .receiving: refuse(.requestTimeout)
    default: registration.expire(at: .max)
    }
  }

  func drain() {
    phase.liveTask?.drain()
    guard isQuiet else { return }
    // The request may have come, unseen so far.
    receive()
    if isQuiet { close() }
  }

  func evict(_ waiting: Waiting) -> Bool {
    switch waiting {
    case .lingering:
      close()
      return true
    case .idle, .idleStranger, .unfinishedHead:
      // What it waits for may have come, unseen so far.
      receive()
      guard self.waiting == waiting else { return false }
      close()
      return true
    case .stalled:
      guard !requests.client.isOfKnownSender(requests.pendingRequest, by: context.sender) else { return false }
      abort()
      return true
    }
  }

  func isOf(_ network: ClientNetwork) -> Bool { requests.client.network == network }

  /// What is waited for, if it is the client; nil otherwise.
  private var waiting: Waiting? {
    switch phase {
    case .lingering: .lingering
    case .receiving where isQuiet: requests.client.isKnown ? .idle : .idleStranger
    case .receiving where output.isEmpty && !reader.isHeld: reader.isInBody ? .stalled : .unfinishedHead
    case .closed: nil
    default: output.isEmpty ? nil : .stalled
    }
  }

  /// Between two requests, with nothing to write.
  private var isQuiet: Bool { phase.isReceiving && reader.isIdle && output.isEmpty }

  // MARK: Reading

  private func receive() {
    let buffer = context.readBuffer
    let count = recv(fd, buffer.baseAddress, buffer.count, 0)
    guard count > 0 else {
      // Everything before was answered; a request that stops in its middle gets no answer.
      if count == 0 || (errno != EAGAIN && errno != EINTR) { close() }
      return
    }
    defer { countBytes() }
    let fresh = UnsafeRawBufferPointer(buffer).slice(0..<count)
    if reader.hasInput {
      reader.keep(fresh)
      serveInput()
    } else {
      let (used, step) = requests.serve(fresh, &reader, to: &output)
      begin(step)
      // After the last answer the rest is nobody's.
      if used < count, !phase.isClosing { reader.keep(fresh[used...]) }
    }
    proceed()
  }

  /// Goes on with requests that had to wait.
  private func takeTurn() {
    guard phase.isReceiving, reader.isHeld else { return }
    reader.hold(false)
    defer { countBytes() }
    serveInput()
    proceed()
  }

  private func serveInput() {
    let (used, step) = serve(reader.rest)
    begin(step)
    if phase.isClosing { reader.forgetInput() } else { reader.consume(used) }
  }

  /// The bytes are held by nobody but the argument and the reader, who moves them when this has returned.
  private func serve(_ input: ArraySlice<UInt8>) -> (used: Int, step: RequestPipeline.Step) {
    input.withUnsafeBytes { requests.serve($0, &reader, to: &output) }
  }

  private func receive(for tunnel: TunnelTask) {
    let buffer = context.readBuffer
    let count = recv(fd, buffer.baseAddress, buffer.count, 0)
    if count > 0 { tunnel.received(buffer[..<count]) }
    if count == 0 { tunnel.inputEnded() }
    if count < 0, errno != EAGAIN, errno != EINTR { return close() }
    // A client that takes nothing is stalled, however much it sends.
    if output.isEmpty { registration.expire(at: .deadline(in: context.timeouts.tunnelIdle)) }
    listen(to: tunnel)
  }

  private func listen(to tunnel: TunnelTask) {
    registration.listen(
      for: (tunnel.wantsInput ? EPOLLIN.rawValue : 0) | (output.isEmpty ? 0 : EPOLLOUT.rawValue))
  }

  private func discard(until end: Nanoseconds) {
    let buffer = context.readBuffer
    let count = recv(fd, buffer.baseAddress, buffer.count, 0)
    if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { return close() }
    registration.expire(at: min(end, .deadline(in: context.timeouts.lingerIdle)))
  }

  // MARK: Answering

  /// Begins with what a request has led to.
  private func begin(_ step: RequestPipeline.Step) {
    switch step {
    case .nextRequest: phase = .receiving
    case .close: phase = .closing
    case .later(let operation, let exchange, let heldBody):
      phase = .answering
      held.handOver(heldBody)
      answer(exchange, operation)
    case .stream(let stream, let produce, let requestID):
      phase = .streaming(stream)
      if context.loop.isDraining { stream.drain() }
      stream.start(produce, on: self, for: requestID)
    case .tunnel(let upgrade, let requestID):
      let tunnel = TunnelTask()
      phase = .tunneling(tunnel)
      tunnel.start(upgrade.body, on: self, for: requestID)
    }
  }

  private func answer(_ exchange: Exchange, _ operation: @escaping @Sendable () async throws -> Response) {
    Task { [self] in
      let outcome: Result<Response, any Error>
      do { outcome = .success(try await operation()) } catch { outcome = .failure(error) }
      onLoop { @Sendable [self] in finish(outcome, exchange) }
    }
  }

  /// The answer that was awaited is here; the client may have gone meanwhile.
  private func finish(_ outcome: Result<Response, any Error>, _ exchange: Exchange) {
    context.loop.assertConfined()
    held.handlerEnded()
    countBytes()
    requests.noteAdmission(by: exchange)
    let response =
      switch outcome {
      case .success(let response): response
      case .failure(let error): context.responder.response(to: error, exchange.request)
      }
    guard phase.isAnswering else { return requests.recorder.lose(response) }
    begin(requests.write(response, exchange, to: &output))
    proceed()
  }

  /// Answers with an error and closes: where the next request begins is not known, or does not matter.
  func refuse(_ error: HTTPError) {
    begin(requests.refuse(error, reader.unfinishedLine, to: &output))
    proceed()
  }

  // MARK: Live tasks

  private func isAt(_ task: LiveTask) -> Bool {
    context.loop.assertConfined()
    return phase.liveTask === task
  }

  /// Sends what a task writes; `writer` is resumed when more is welcome. A task may be kept beyond its time: the
  /// connection can be at another one by now.
  func write(_ bytes: [UInt8], from task: LiveTask, _ writer: CheckedContinuation<Void, any Error>) {
    guard isAt(task) else { return writer.resume(throwing: BodyWriterError.connectionClosed) }
    do throws(BodyWriterError) {
      let added = try output.append { output throws(BodyWriterError) in try task.append(bytes, to: &output) }
      requests.recorder.add(added.bytes)
    } catch {
      return writer.resume(throwing: error)
    }
    task.wait(writer)
    proceed()
  }

  /// Has a tunnel's reader wait for what the client sends.
  func read(for tunnel: TunnelTask, _ reader: CheckedContinuation<[UInt8]?, any Error>) {
    guard isAt(tunnel) else { return reader.resume(throwing: BodyWriterError.connectionClosed) }
    tunnel.read(reader)
    listen(to: tunnel)
  }

  /// A task has ended.
  func finish(_ task: LiveTask, _ failure: (any Error)?) {
    guard isAt(task) else { return }
    if let failure {
      context.logger.warning("\(task.title) failed", metadata: ["error": "\(failure)"])
      return abort()
    }
    let (end, bytes) = output.append { task.appendEnd(to: &$0) }
    requests.recorder.add(bytes)
    switch end {
    case .tooShort(let missing):
      context.logger.error("a response was shorter than announced", metadata: ["missing": "\(missing)"])
      return abort()
    case .nextRequest where !context.loop.isDraining: phase = .receiving
    case .nextRequest, .close: phase = .closing
    }
    requests.recorder.finish()
    proceed()
  }

  // MARK: Writing

  /// Writes what there is to write, then does what the phase asks for next.
  private func proceed() {
    guard flush() else { return }
    registration.mark(as: waiting)
    switch phase {
    case .receiving where reader.isHeld:
      registration.expire(at: .max)
      onLoop { @Sendable [self] in takeTurn() }
    case .receiving:
      registration.listen(for: EPOLLIN.rawValue)
      registration.expire(at: reader.deadline(context.timeouts))
    case .answering:
      registration.stopListeningForOutput()
      registration.expire(at: .max)
    case .streaming(let stream):
      registration.stopListeningForOutput()
      registration.expire(at: .max)
      stream.resumeWriters()
    case .tunneling(let tunnel):
      // What came behind the request is the other protocol's.
      if reader.hasInput { tunnel.received(reader.takeRest()) }
      listen(to: tunnel)
      registration.expire(at: .deadline(in: context.timeouts.tunnelIdle))
      tunnel.resumeWriters()
    case .closing:
      shutdown(fd, Int32(SHUT_WR))
      phase = .lingering(until: .deadline(in: context.timeouts.linger))
      registration.mark(as: .lingering)
      registration.listen(for: EPOLLIN.rawValue)
      registration.expire(at: .deadline(in: context.timeouts.lingerIdle))
    case .lingering, .closed: break
    }
  }

  /// - Returns: whether everything is written; if not, the connection waits for the client or is closed.
  private func flush() -> Bool {
    switch output.flush(to: fd, context.timeouts) {
    case .failed: close()
    case .blocked(let deadline): waitToWrite(until: deadline)
    case .sent:
      output.release(to: context.outputMemory)
      if case .closed = phase { return false }
      // Of an answer that goes on it is held.
      if case .streaming = phase { return true }
      output.endLease()
      return true
    }
    return false
  }

  private func waitToWrite(until deadline: Nanoseconds) {
    registration.mark(as: .stalled)
    registration.listen(for: EPOLLOUT.rawValue)
    registration.expire(at: deadline)
    switch phase {
    case .streaming(let stream) where output.wantsMore: stream.resumeWriters()
    case .tunneling(let tunnel):
      // Both may be writing: who stops reading then waits forever.
      listen(to: tunnel)
      if output.wantsMore { tunnel.resumeWriters() }
    default: break
    }
  }

  // MARK: What is held

  /// Counts what there is of a request among those of all connections, and refuses it when that is too much.
  private func countBytes() {
    let buffers = HeldBytes.buffers(reader, output)
    guard !held.isCounted(body: reader.bodyCount, buffers: buffers) else { return }
    // After an early answer nobody will read it.
    if !phase.isReceiving { reader.discardBody() }
    let grows = count(body: reader.bodyCount, buffers: buffers)
    guard grows, let refusal = held.refusal(by: context.limits) else { return }
    guard phase.isReceiving, output.isEmpty else { return buffers > 0 ? abort() : () }
    reader.discardBody()
    _ = count(body: 0, buffers: 0)
    refuse(refusal)
  }

  /// - Returns: whether it is more than before.
  private func count(body: Int, buffers: Int) -> Bool {
    let network = requests.client.network
    return held.count(body: body, buffers: buffers, of: requests.pendingRequest, from: network, by: context.sender)
  }

  // MARK: The end

  /// Resets the connection: the client must not take what it got for the whole.
  private func abort() {
    Socket.reset(fd)
    close()
  }

  func close() {
    context.loop.assertConfined()
    switch phase {
    case .closed: return
    case .streaming, .tunneling:
      requests.recorder.cutOff(unsent: output.count)
      phase.liveTask?.connectionClosed()
    // It is recorded when the answer is there.
    case .answering: break
    default: requests.recorder.forget()
    }
    phase = .closed
    requests.forgetPending()
    reader.forgetInput()
    output.clear()
    reader.discardBody()
    countBytes()
    requests.client.leave()
    context.openConnections.decrement()
    registration.close()
  }
}

import Logging

/// The requests of one connection: reads their heads and bodies as they arrive, has them answered one after another, and
/// writes the answers that are there at once. What goes on longer it leaves to the connection. Confined to the loop.
struct RequestPipeline {
  /// What the connection has to do next.
  enum Step {
    case nextRequest
    /// Close once everything is written.
    case close
    /// Await the response to a request in a task, and ``write(_:_:to:)`` it. A handler holds that many bytes of the body
    /// meanwhile.
    case later(@Sendable () async throws -> Response, Exchange, heldBody: Int)
    /// Send a body as the closure writes it.
    case stream(BodyStream, @Sendable (BodyWriter) async throws -> Void, requestID: String)
    case tunnel(Upgrade, requestID: String)
  }

  /// A request whose body is still awaited, with what the router made of it.
  private struct PendingRequest {
    var exchange: Exchange
    var resolution: Router.Resolution
  }

  private let context: ConnectionContext
  private let remoteAddress: String
  private var pending: PendingRequest?
  private(set) var client: ClientStanding
  /// The connection adds what happens after the first part of an answer.
  var recorder: AccessRecorder

  init(of peer: Peer, context: ConnectionContext) {
    self.context = context
    remoteAddress = peer.address
    client = ClientStanding(network: peer.network, strangers: context.networks)
    recorder = AccessRecorder(context.accessLog)
  }

  /// The request whose body is awaited.
  var pendingRequest: Request? { pending?.exchange.request }

  /// Forgets the request whose body is awaited.
  mutating func forgetPending() { pending = nil }

  /// Notes that the client was admitted, if it was by that request.
  mutating func noteAdmission(by exchange: Exchange) { client.noteAdmission(of: exchange.request.storage) }

  // MARK: Reading

  /// Answers the requests in `window` as long as answers are had at once.
  /// - Returns: how many bytes were consumed, and what to do next.
  mutating func serve(
    _ window: UnsafeRawBufferPointer, _ reader: inout RequestReader, to output: inout ConnectionOutput
  ) -> (used: Int, step: Step) {
    var offset = 0
    var answered = 0
    var step = Step.nextRequest
    reader.lend(&context.spareRequest)
    defer { reader.giveBack(to: &context.spareRequest) }
    do throws(HTTPError) {
      while case .nextRequest = step {
        if answered >= context.limits.pipelined || output.isFarAhead { break }
        guard let event = try reader.next(in: window, from: &offset) else { return (offset, step) }
        switch event {
        case .head(let head):
          let limit = try begin(head, hasBodyBytes: offset < window.count, to: &output)
          try reader.expectBody(limit: limit)
        case .end(let body):
          answered += 1
          step = answer(body, to: &output)
          reader.lend(&context.spareRequest)
        }
      }
    } catch {
      step = refuse(error, reader.unfinishedLine, to: &output)
    }
    reader.hold(offset < window.count)
    return (offset, step)
  }

  /// Takes a request's head.
  /// - Parameter hasBodyBytes: some of the body came with it, so that the client waits for nothing.
  /// - Returns: the most bytes its body may have.
  private mutating func begin(
    _ head: RequestHead, hasBodyBytes: Bool, to output: inout ConnectionOutput
  ) throws(HTTPError) -> Int {
    let framing = ResponseFraming(
      isHead: head.method == "HEAD", isHTTP10: head.isHTTP10, keepsAlive: head.keepsAlive)
    // Nobody else has it yet.
    let request = head.request.storage
    request.remoteAddress = remoteAddress
    request.id = request.givenID.map { RequestID(given: $0) } ?? context.makeRequestID()
    let resolution: Router.Resolution
    do throws(HTTPError) {
      resolution = try context.responder.resolve(request)
    } catch {
      expect(head.request, framing, .refused(error))
      throw error
    }
    if case .route(_, let parameters) = resolution, !parameters.isEmpty { request.parameters = parameters }
    expect(head.request, framing, resolution)
    let limit = resolution.bodyLimit ?? context.limits.body
    if head.expectsContinue, head.framing != .none {
      // A final answer in place of 100: whether the body follows is not known then, so nothing after it can be.
      if case .refused(let error) = resolution { throw error }
      if case .length(let length) = head.framing, length > limit { throw .contentTooLarge }
      if !hasBodyBytes { _ = output.append { $0.append("HTTP/1.1 100 Continue\r\n\r\n") } }
    }
    return limit
  }

  private mutating func expect(_ request: Request, _ framing: ResponseFraming, _ resolution: Router.Resolution) {
    pending = PendingRequest(exchange: Exchange(request: request, framing: framing), resolution: resolution)
    recorder.begin(request.storage, resolution)
  }

  // MARK: Answering

  /// Answers the request whose body this is.
  private mutating func answer(_ body: [UInt8], to output: inout ConnectionOutput) -> Step {
    guard var taken = pending.take() else { return .nextRequest }
    if !body.isEmpty { taken.exchange.request.storage.body = body }
    let step = respond(to: taken.exchange, taken.resolution, &output)
    if !client.isKnown, case .route(let route, _) = taken.resolution, !route.isQuiet {
      noteAdmission(by: taken.exchange)
    }
    context.spareRequest = taken.exchange.request.recycled()
    return step
  }

  private mutating func respond(
    to exchange: Exchange, _ resolution: Router.Resolution, _ output: inout ConnectionOutput
  ) -> Step {
    switch context.responder.answer(exchange, resolution) {
    case .write(let response): return write(response, exchange, to: &output)
    case .await(let operation):
      return .later(operation, exchange, heldBody: exchange.request.storage.body.count)
    case .compress(let operation): return .later(operation, exchange, heldBody: 0)
    case .upgrade(let upgrade):
      let bytes = output.append {
        $0.append(switchingTo: upgrade, id: exchange.request.storage.id, date: context.currentDate())
      }.bytes
      recorder.beginAnswer(status: 101, bytes: bytes)
      return .tunnel(upgrade, requestID: exchange.request.id)
    }
  }

  mutating func write(_ response: Response, _ exchange: Exchange, to output: inout ConnectionOutput) -> Step {
    var framing = exchange.framing
    if context.loop.isDraining || response.closes(framing) { framing.keepsAlive = false }
    recorder.note(response.error)
    let (end, bytes) = output.append(
      response, id: exchange.request.storage.id, framing: framing, date: context.currentDate(),
      memory: context.outputMemory)
    if let end, case .stream(_, let produce) = response.body {
      recorder.beginAnswer(status: response.sentStatus, bytes: bytes)
      let stream = BodyStream(end: end, keepsAlive: framing.keepsAlive)
      return .stream(stream, produce, requestID: exchange.request.id)
    }
    recorder.finish(status: response.sentStatus, bytes: bytes)
    return framing.keepsAlive ? .nextRequest : .close
  }

  /// Answers bytes that are not a whole request; the connection must be closed after the answer.
  /// - Parameter line: what is known of a request whose head was refused, or did not come whole.
  mutating func refuse(_ error: HTTPError, _ line: RequestLine, to output: inout ConnectionOutput) -> Step {
    let known = pending.take()?.exchange.request
    let request = known?.storage ?? unfinishedRequest(line)
    if known == nil { recorder.begin(unfinished: request) }
    let framing = ResponseFraming(isHead: request.method == "HEAD", isHTTP10: false, keepsAlive: false)
    return write(
      context.responder.refusal(error, known), Exchange(request: Request(request), framing: framing), to: &output)
  }

  private func unfinishedRequest(_ line: RequestLine) -> Request.Storage {
    let request = Request.Storage()
    request.method = line.method
    request.target = line.target
    request.remoteAddress = remoteAddress
    request.id = context.makeRequestID()
    return request
  }
}

import Logging

/// A request whose body is still awaited, with what the router made of it.
struct PendingRequest {
  var exchange: Exchange
  var resolution: Router.Resolution
}

/// A request and how its response has to be framed.
struct Exchange: Sendable {
  var request: Request
  var framing: ResponseFraming
}

extension Connection {
  /// Takes a request's head.
  /// - Parameter hasBodyBytes: some of the body came with it, so that the client waits for nothing.
  /// - Returns: the most bytes its body may have.
  func begin(_ head: RequestHead, hasBodyBytes: Bool) throws(HTTPError) -> Int {
    let framing = ResponseFraming(
      isHead: head.method == "HEAD", isHTTP10: head.isHTTP10, keepsAlive: head.keepsAlive)
    // Nobody else has it yet.
    let request = head.request.storage
    request.remoteAddress = remoteAddress
    request.id = request.givenID.map { RequestID(given: $0) } ?? context.makeRequestID()
    let resolution: Router.Resolution
    do throws(HTTPError) {
      try request.readTarget()
      resolution = try context.router.resolve(method: request.method, rawPath: request.rawPath)
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
      if !hasBodyBytes { output.append("HTTP/1.1 100 Continue\r\n\r\n") }
    }
    return limit
  }

  private func expect(_ request: Request, _ framing: ResponseFraming, _ resolution: Router.Resolution) {
    pending = PendingRequest(exchange: Exchange(request: request, framing: framing), resolution: resolution)
    beginRecord(of: request.storage, resolution)
  }

  /// Answers the request whose body this is.
  func answer(_ body: [UInt8]) {
    guard var taken = pending.take() else { return }
    if !body.isEmpty { taken.exchange.request.storage.body = body }
    respond(to: taken.exchange, taken.resolution)
    if !isKnown, case .route(let route, _) = taken.resolution, !route.isQuiet {
      noteAdmission(of: taken.exchange.request.storage)
    }
    context.spareRequest = taken.exchange.request.recycled()
  }

  private func respond(to exchange: Exchange, _ resolution: Router.Resolution) {
    switch resolution {
    case .options(let allow):
      write(Response(.noContent, headers: ["Allow": allow], body: .bytes([])), exchange)
    case .refused(let error):
      write(context.router.renderError(error, exchange.request), exchange)
    case .route(let route, _):
      do {
        switch try route.handler(exchange.request) {
        case .now(let response): writeEncoded(response, exchange)
        case .later(let operation): answerLater(operation, exchange)
        case .upgrade(let upgrade): try self.upgrade(upgrade, exchange)
        }
      } catch {
        write(rendered(error, exchange.request), exchange)
      }
    }
  }

  /// Writes an answer to something that is no request, or not yet; the connection closes after it.
  func writeRefusal(_ error: HTTPError) {
    let known = pending.take()?.exchange.request
    let request = known?.storage ?? unfinishedRequest
    if known == nil, context.accessLog != nil { access = AccessEntry(request: request) }
    write(
      context.router.renderError(error, known),
      Exchange(
        request: Request(request),
        framing: ResponseFraming(isHead: request.method == "HEAD", isHTTP10: false, keepsAlive: false)))
  }

  private func rendered(_ error: any Error, _ request: Request) -> Response {
    if !(error is HTTPError) {
      context.logger.error(
        "a request failed",
        metadata: [
          "request": "\(request.id)", "method": "\(request.method)", "path": "\(request.path)", "error": "\(error)",
        ])
    }
    return context.router.renderError(error, request)
  }

  // MARK: Later

  private func answerLater(_ operation: @escaping @Sendable () async throws -> Response, _ exchange: Exchange) {
    phase = .answering(exchange)
    heldBody = exchange.request.storage.body.count
    let acceptsGzip = exchange.acceptsGzip
    Task { [self] in
      let outcome: Result<Response, any Error>
      do {
        var response = try await RequestContext.$requestID.withValue(exchange.request.id) { try await operation() }
        if response.isCompressible {
          response.headers.append("Vary", "Accept-Encoding")
          if acceptsGzip { response = response.compressed() }
        }
        outcome = .success(response)
      } catch {
        outcome = .failure(error)
      }
      context.loop.perform { @Sendable [self] in finish(outcome, exchange) }
    }
  }

  /// The answer that was awaited is here; the client may have gone meanwhile.
  private func finish(_ outcome: Result<Response, any Error>, _ exchange: Exchange) {
    context.loop.assertConfined()
    heldBody = 0
    countBytes()
    noteAdmission(of: exchange.request.storage)
    let response =
      switch outcome {
      case .success(let response): response
      case .failure(let error): rendered(error, exchange.request)
      }
    access?.error = response.error
    guard case .answering = phase else { return record(status: response.sentStatus, bytesSent: 0, isCutOff: true) }
    write(response, exchange)
    proceed()
  }

  // MARK: Writing

  private func writeEncoded(_ response: Response, _ exchange: Exchange) {
    guard response.isCompressible, case .bytes(let bytes) = response.body else {
      return write(response, exchange)
    }
    var response = response
    response.headers.append("Vary", "Accept-Encoding")
    guard exchange.acceptsGzip else { return write(response, exchange) }
    if let zipped = context.zipped[bytes] {
      write(response.replacingBody(zipped: zipped), exchange)
    } else if bytes.count > Gzip.largestOnLoop {
      compressLater(bytes, of: response, exchange)
    } else {
      let zipped = Gzip.compress(bytes)
      context.zipped[bytes] = zipped
      write(response.replacingBody(zipped: zipped), exchange)
    }
  }

  /// Compresses off the loop.
  private func compressLater(_ bytes: [UInt8], of response: Response, _ exchange: Exchange) {
    phase = .answering(exchange)
    Task { [self] in
      let zipped = Gzip.compress(bytes)
      context.loop.perform { @Sendable [self] in
        context.zipped[bytes] = zipped
        finish(.success(response.replacingBody(zipped: zipped)), exchange)
      }
    }
  }

  private func write(_ response: Response, _ exchange: Exchange) {
    var framing = exchange.framing
    if context.loop.isDraining || response.asksClose || (framing.isHTTP10 && response.hasUnknownLength) {
      framing.keepsAlive = false
    }
    if output.capacity == 0 { context.lendMemory(to: &output) }
    if let given = response.lease { lease = given }
    access?.error = response.error
    let before = output.count
    let end = output.append(
      response, id: exchange.request.storage.id, framing: framing, date: context.currentDate())
    if let end, case .stream(_, let produce) = response.body {
      access?.status = response.sentStatus
      access?.bytesSent = output.count - before
      stream(produce, exchange.request.id, end: end, keepsAlive: framing.keepsAlive)
    } else {
      if access != nil { record(status: response.sentStatus, bytesSent: output.count - before) }
      phase = framing.keepsAlive ? .receiving : .closing
    }
  }
}

extension Exchange {
  fileprivate var acceptsGzip: Bool { Gzip.isAccepted(by: request.headers.values(of: "Accept-Encoding")) }
}

extension Response {
  fileprivate var hasUnknownLength: Bool {
    if case .stream(nil, _) = body { return true }
    return false
  }

  fileprivate var asksClose: Bool {
    (try? headers.withValue(of: "connection") { $0.equalsIgnoringCase("close") }) ?? false
  }
}

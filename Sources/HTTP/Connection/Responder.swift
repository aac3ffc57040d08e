import Logging

/// A request and how its response has to be framed.
struct Exchange: Sendable {
  var request: Request
  var framing: ResponseFraming
}

/// Finds out what requests are answered. Each loop has one, confined to it.
final class Responder: @unchecked Sendable {
  /// What has to be done for an answer.
  enum Step {
    case write(Response)
    /// Await the response of a handler in a task.
    case await(@Sendable () async throws -> Response)
    /// Await the response in a task, since compressing it takes long; the handler is done.
    case compress(@Sendable () async -> Response)
    case upgrade(Upgrade)
  }

  @exclusivity(unchecked) private var router: Router
  private let zipped = ZippedBodies()
  private let loop: EventLoop
  private let logger: Logger

  init(router: Router, loop: EventLoop, logger: Logger) {
    self.router = router
    self.loop = loop
    self.logger = logger
  }

  /// Has other routes answer all requests from now on.
  func replace(_ router: Router) { self.router = router }

  /// Finds the route of a request whose head is there.
  /// - Throws: 400 when its target cannot be understood.
  @inline(__always)
  func resolve(_ request: Request.Storage) throws(HTTPError) -> Router.Resolution {
    try request.readTarget()
    return try router.resolve(method: request.method, rawPath: request.rawPath)
  }

  /// What to do for the answer to a request that is there with its body.
  func answer(_ exchange: Exchange, _ resolution: Router.Resolution) -> Step {
    switch resolution {
    case .options(let allow): return .write(Response(.noContent, headers: ["Allow": allow], body: .bytes([])))
    case .refused(let error): return .write(refusal(error, exchange.request))
    case .route(let route, _):
      do {
        switch try route.handler(exchange.request) {
        // What is not compressed is not copied: that would cost a pipelined request a twentieth of its time.
        case .now(let response): return response.isCompressible ? encode(response, exchange) : .write(response)
        case .later(let operation): return .await { try await exchange.awaitResponse(operation) }
        case .upgrade(let upgrade):
          try upgrade.check(exchange, isDraining: loop.isDraining)
          return .upgrade(upgrade)
        }
      } catch {
        return .write(response(to: error, exchange.request))
      }
    }
  }

  /// The answer to bytes that are not a whole request.
  func refusal(_ error: HTTPError, _ request: Request?) -> Response { router.renderError(error, request) }

  /// The answer to an error of a handler; one that is not meant for the client is logged.
  func response(to error: any Error, _ request: Request) -> Response {
    if !(error is HTTPError) {
      logger.error(
        "a request failed",
        metadata: [
          "request": "\(request.id)", "method": "\(request.method)", "path": "\(request.path)", "error": "\(error)",
        ])
    }
    return router.renderError(error, request)
  }

  // MARK: Compressing

  private func encode(_ response: Response, _ exchange: Exchange) -> Step {
    guard case .bytes(let bytes) = response.body else { return .write(response) }
    var response = response
    response.headers.append("Vary", "Accept-Encoding")
    guard exchange.acceptsGzip else { return .write(response) }
    if let zipped = zipped[bytes] { return .write(response.replacingBody(zipped: zipped)) }
    if bytes.count > Gzip.largestOnLoop { return .compress(compressing(bytes, of: response)) }
    let compressed = Gzip.compress(bytes)
    zipped[bytes] = compressed
    return .write(response.replacingBody(zipped: compressed))
  }

  private func compressing(_ bytes: [UInt8], of response: Response) -> @Sendable () async -> Response {
    { [self] in
      let compressed = Gzip.compress(bytes)
      loop.perform { @Sendable [self] in zipped[bytes] = compressed }
      return response.replacingBody(zipped: compressed)
    }
  }
}

extension Exchange {
  /// Awaits the response of an ``Answer/later(_:)``, and compresses it off the loop if the client takes that.
  fileprivate func awaitResponse(_ operation: @Sendable () async throws -> Response) async throws -> Response {
    var response = try await RequestContext.$requestID.withValue(request.id) { try await operation() }
    guard response.isCompressible else { return response }
    response.headers.append("Vary", "Accept-Encoding")
    return acceptsGzip ? response.compressed() : response
  }

  fileprivate var acceptsGzip: Bool { Gzip.isAccepted(by: request.headers.values(of: "Accept-Encoding")) }
}

extension Response {
  /// Whether the connection has to be closed after it, whatever the client asks.
  func closes(_ framing: ResponseFraming) -> Bool { asksClose || (framing.isHTTP10 && hasUnknownLength) }

  private var hasUnknownLength: Bool {
    if case .stream(nil, _) = body { return true }
    return false
  }

  private var asksClose: Bool {
    (try? headers.withValue(of: "connection") { $0.equalsIgnoringCase("close") }) ?? false
  }
}

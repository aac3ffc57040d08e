import Logging
import Testing

@testable import HTTP

@Suite("Finding answers")
struct ResponderTests {
  private static let text = String(repeating: "compressible ", count: 500)

  /// A loop that runs for as long as somebody has this.
  private final class RunningLoop: Sendable {
    let loop: EventLoop

    init() throws {
      loop = try EventLoop(label: "test")
      loop.start()
    }

    deinit { loop.perform { @Sendable [loop] in loop.stop() } }
  }

  private let running: RunningLoop

  init() throws { running = try RunningLoop() }

  private func responder(_ routes: (inout Router) -> Void) -> Responder {
    var router = Router()
    routes(&router)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return Responder(router: router, loop: running.loop, logger: logger)
  }

  private static func exchange(_ target: String, headers: Headers = [:]) throws -> Exchange {
    Exchange(
      request: try Request(method: "GET", target: target, headers: headers),
      framing: ResponseFraming(isHead: false, isHTTP10: false, keepsAlive: true))
  }

  private static func answer(_ responder: Responder, _ exchange: Exchange) throws -> Responder.Step {
    responder.answer(exchange, try responder.resolve(exchange.request.storage))
  }

  /// The response that is written at once.
  private static func response(_ responder: Responder, _ exchange: Exchange) throws -> Response? {
    guard case .write(let response) = try answer(responder, exchange) else { return nil }
    return response
  }

  @Test("Errors of handlers and of routing are answers; what is no HTTPError says nothing of the inside")
  func errors() throws {
    struct Inner: Error {}
    let responder = responder { router in
      router.on("GET", "/known") { _ in throw HTTPError.contentTooLarge }
      router.on("GET", "/inner") { _ in throw Inner() }
    }
    for (target, status) in [("/known", 413), ("/inner", 500), ("/nowhere", 404)] {
      #expect(try Self.response(responder, Self.exchange(target))?.status.code == status)
    }
  }

  @Test("A body is compressed for those who take it, and varies for all")
  func gzip() throws {
    let responder = responder { router in
      router.on("GET", "/text") { _ in .now(.text(Self.text)) }
    }
    let plain = try #require(try Self.response(responder, Self.exchange("/text")))
    #expect(plain.headers["Vary"] == "Accept-Encoding" && plain.headers["Content-Encoding"] == nil)
    let zipped = try #require(
      try Self.response(responder, Self.exchange("/text", headers: ["Accept-Encoding": "gzip"])))
    #expect(zipped.headers["Content-Encoding"] == "gzip" && zipped.headers["Vary"] == "Accept-Encoding")
  }

  @Test("A response that is awaited is compressed where it is awaited")
  func later() async throws {
    let responder = responder { router in
      router.on("GET", "/text") { _ in .later { .text(Self.text) } }
    }
    let exchange = try Self.exchange("/text", headers: ["Accept-Encoding": "gzip"])
    guard case .await(let operation) = try Self.answer(responder, exchange) else {
      Issue.record("it is not awaited")
      return
    }
    #expect(try await operation().headers["Content-Encoding"] == "gzip")
  }

  @Test("Requests that come after another router took over are answered by that one")
  func replaced() throws {
    let responder = responder { router in router.on("GET", "/x") { _ in .now(.text("old")) } }
    let before = try Self.exchange("/x")
    let resolution = try responder.resolve(before.request.storage)
    var router = Router()
    router.on("GET", "/x") { _ in throw HTTPError.contentTooLarge }
    responder.replace(router)
    guard case .write(let old) = responder.answer(before, resolution) else {
      Issue.record("it is not answered at once")
      return
    }
    #expect(old.status == .ok)
    #expect(try Self.response(responder, Self.exchange("/x"))?.status.code == 413)
  }
}

import Synchronization
import Testing

@testable import HTTP

@Suite("Recording requests")
struct AccessRecorderTests {
  private final class Log: Sendable {
    private let kept = Mutex<[AccessRecord]>([])
    var records: [AccessRecord] { kept.withLock { $0 } }

    func recorder(includesQuietRoutes: Bool = false) -> AccessRecorder {
      AccessRecorder(
        AccessLog(
          write: { [self] record in kept.withLock { $0.append(record) } }, includesQuietRoutes: includesQuietRoutes))
    }
  }

  private static func route(isQuiet: Bool = false) -> Router.Resolution {
    let route = Router.Route(
      method: "GET", pattern: "/x", parameterNames: [], bodyLimit: nil, isQuiet: isQuiet,
      handler: { _ in .now(.text("")) })
    return .route(route, parameters: [:])
  }

  private static func request() throws -> Request.Storage { try Request(method: "GET", target: "/x?secret=1").storage }

  @Test("A request is recorded once, with its path without the query")
  func once() throws {
    let log = Log()
    var recorder = log.recorder()
    recorder.begin(try Self.request(), Self.route())
    recorder.note(RecordedError(code: "busy", detail: nil))
    recorder.finish(status: 503, bytes: 20)
    recorder.finish(status: 200, bytes: 1)
    recorder.finish()
    #expect(log.records.count == 1)
    let record = try #require(log.records.first)
    #expect(record.path == "/x" && record.route == "/x" && record.status == 503 && record.bytesSent == 20)
    #expect(record.code == "busy" && !record.isCutOff)
  }

  @Test("An answer that goes on has the bytes of all its parts, and less what was not taken when it is cut off")
  func parts() throws {
    let log = Log()
    var recorder = log.recorder()
    for isCutOff in [false, true] {
      recorder.begin(try Self.request(), Self.route())
      recorder.beginAnswer(status: 200, bytes: 100)
      recorder.add(50)
      if isCutOff { recorder.cutOff(unsent: 30) } else { recorder.finish() }
    }
    #expect(log.records.map(\.bytesSent) == [150, 120])
    #expect(log.records.map(\.isCutOff) == [false, true])
  }

  @Test("An answer that came too late has no bytes")
  func late() throws {
    let log = Log()
    var recorder = log.recorder()
    recorder.begin(try Self.request(), Self.route())
    recorder.lose(Response(.notFound, body: .bytes([])))
    #expect(log.records.map(\.status) == [404] && log.records.map(\.bytesSent) == [0])
    #expect(log.records.map(\.isCutOff) == [true])
  }

  @Test("Quiet routes are recorded only where that is asked for, and nothing is once it is forgotten")
  func quiet() throws {
    let log = Log()
    for includes in [false, true] {
      var recorder = log.recorder(includesQuietRoutes: includes)
      recorder.begin(try Self.request(), Self.route(isQuiet: true))
      recorder.finish(status: 200, bytes: 1)
      recorder.begin(try Self.request(), Self.route())
      recorder.forget()
      recorder.finish(status: 200, bytes: 1)
    }
    #expect(log.records.map(\.isQuiet) == [true])
  }
}

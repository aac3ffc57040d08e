import Glibc
import Synchronization
import Testing

@testable import HTTP

/// The records of a server, as they come.
final class Records: Sendable {
  private let records = Mutex<[AccessRecord]>([])

  var log: @Sendable (AccessRecord) -> Void {
    { [self] record in records.withLock { $0.append(record) } }
  }

  /// The records so far, when there are `count`.
  func first(_ count: Int) async throws -> [AccessRecord] {
    for _ in 0..<2000 {
      let all = records.withLock { $0 }
      if all.count >= count { return all }
      try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record("not \(count) records in ten seconds")
    throw ClientError.ended
  }
}

/// A request, and what is recorded of it.
private struct RecordCase: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var request: String
  var status: Int
  var method = "GET"
  var path = ""
  var route: String?
  var caller: String?
  var jobID: String?
  var code: String?
  var detail: String?
}

private let ended = "HTTP/1.1\r\nHost: a\r\n"

private let recordCases: [RecordCase] = [
  RecordCase(
    testDescription: "an answer at once, and no query", request: "GET /job/a%20b?token=secret \(ended)\r\n",
    status: 200,
    path: "/job/a%20b", route: "/job/{id}", caller: "me", jobID: "a b"),
  RecordCase(
    testDescription: "an absolute target", request: "GET http://user.example/job/1?x \(ended)\r\n", status: 200,
    path: "/job/1", route: "/job/{id}", caller: "me", jobID: "1"),
  RecordCase(
    testDescription: "an answer later", request: "GET /later \(ended)\r\n", status: 201, path: "/later",
    route: "/later", caller: "you", jobID: "7"),
  RecordCase(
    testDescription: "who called is known before the refusal", request: "GET /refused \(ended)\r\n", status: 403,
    path: "/refused", route: "/refused", caller: "them", code: "forbidden", detail: "for the log"),
  RecordCase(
    testDescription: "a failure", request: "GET /fails \(ended)\r\n", status: 500, path: "/fails", route: "/fails"),
  RecordCase(
    testDescription: "HEAD", request: "HEAD /job/1 \(ended)\r\n", status: 200, method: "HEAD", path: "/job/1",
    route: "/job/{id}", caller: "me", jobID: "1"),
  RecordCase(
    testDescription: "a stream", request: "GET /stream \(ended)\r\n", status: 200, path: "/stream", route: "/stream"),
  RecordCase(testDescription: "404", request: "GET /nothing?a=b \(ended)\r\n", status: 404, path: "/nothing"),
  RecordCase(
    testDescription: "405", request: "DELETE /later \(ended)\r\n", status: 405, method: "DELETE", path: "/later"),
  RecordCase(
    testDescription: "501 of a long method", request: "\(String(repeating: "M", count: 100)) / \(ended)\r\n",
    status: 501, method: String(repeating: "M", count: 32), path: "/"),
  RecordCase(
    testDescription: "OPTIONS", request: "OPTIONS * \(ended)\r\n", status: 204, method: "OPTIONS", path: "*"),
  RecordCase(testDescription: "no request at all", request: "nonsense\r\n", status: 400, method: ""),
  RecordCase(
    testDescription: "a head that is refused", request: "GET /later?secret HTTP/1.1\r\nHost : a\r\n\r\n", status: 400,
    path: "/later"),
  RecordCase(
    testDescription: "a target that is none", request: "GET secret:secret@host \(ended)\r\n", status: 400, path: ""),
  RecordCase(
    testDescription: "a path that is none", request: "GET /%zz?secret \(ended)\r\n", status: 400, path: "/%zz"),
  RecordCase(
    testDescription: "a long path", request: "GET /\(String(repeating: "p", count: 5000)) \(ended)\r\n", status: 404,
    path: "/" + String(repeating: "p", count: 1999)),
  RecordCase(
    testDescription: "a body too large", request: "POST /small \(ended)Content-Length: 9\r\n\r\n", status: 413,
    method: "POST", path: "/small", route: "/small"),
  RecordCase(
    testDescription: "a chunked body too large",
    request: "POST /small \(ended)Transfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n", status: 413,
    method: "POST", path: "/small", route: "/small"),
]

@Suite("Access log")
struct AccessLogTests {
  private func run(
    _ records: Records, limits: Limits = Limits(), _ body: (TestServer) async throws -> Void
  ) async throws {
    struct Inside: Error {}
    try await TestServer.run(limits: limits, records: records) { router in
      router.on("GET", "/job/{id}") { request in
        request.note(caller: "me", jobID: request.parameters["id"])
        return .now(.text("a job"))
      }
      router.on("GET", "/later") { request in
        request.note(caller: "you")
        return .later {
          // A copy that is changed is the same request.
          var copy = request
          copy.path = "/elsewhere"
          await Task.yield()
          copy.note(jobID: "7")
          return .text("done", status: Status(201))
        }
      }
      router.on("GET", "/refused") { request in
        .later {
          request.note(caller: "them")
          var error = HTTPError(.forbidden, code: "forbidden", "no")
          error.detail = "for the log"
          throw error
        }
      }
      router.on("GET", "/fails") { _ in throw Inside() }
      router.on("GET", "/stream") { _ in
        .now(Response(body: .stream(length: nil) { try await $0.write(Array("stream".utf8)) }))
      }
      router.on("POST", "/small", bodyLimit: 4) { _ in .now(.text("")) }
    } _: {
      try await body($0)
    }
  }

  @Test("every request that is answered is recorded once, as it was sent", arguments: recordCases)
  private func record(_ expected: RecordCase) async throws {
    let records = Records()
    try await run(records) { server in
      let isHead = expected.method == "HEAD"
      let (reply, count) = try await server.client { client in
        try client.send(expected.request)
        shutdown(client.fd, Int32(SHUT_WR))
        let all = try client.rest()
        let head = String(decoding: all, as: UTF8.self)
        return (head, all.count)
      }
      #expect(reply.hasPrefix("HTTP/1.1 \(expected.status) "))
      let record = try await records.first(1)[0]
      #expect(record.status == expected.status)
      #expect(record.method == expected.method)
      #expect(record.path == expected.path)
      #expect(record.route == expected.route)
      #expect(record.caller == expected.caller)
      #expect(record.jobID == expected.jobID)
      #expect((record.code == nil) == (expected.status < 400))
      if let code = expected.code { #expect(record.code == code && record.detail == expected.detail) }
      #expect(!reply.contains("for the log"))
      #expect(record.bytesSent == count)
      #expect(record.remoteAddress.hasPrefix("127.0.0.1:"))
      #expect(reply.contains("\r\nX-Request-ID: \(record.requestID)\r\n"))
      #expect(record.milliseconds >= 0 && record.milliseconds < 10_000)
      #expect(abs(record.time - Double(time(nil))) < 10)
      #expect(!record.isQuiet && !record.isCutOff)
      #expect(!isHead || reply.hasSuffix("\r\n\r\n"))
      // Nothing comes twice.
      _ = try await server.exchange("GET /live \(ended)\r\n")
      #expect(try await records.first(2).map(\.path) == [expected.path, "/live"])
    }
  }

  @Test("a request that does not come to its end in time is recorded, one that is given up is none")
  func unfinished() async throws {
    let records = Records()
    var limits = Limits()
    limits.headerDeadline = .milliseconds(100)
    try await run(records, limits: limits) { server in
      try await server.client { client in
        try client.send("POST /small \(ended)Content-Length: 3\r\n\r\nab")
        shutdown(client.fd, Int32(SHUT_WR))
        #expect(try client.rest().isEmpty)
      }
      try await server.client { client in
        try client.send("GET /later?secret HTTP/1.1\r\nHo")
        #expect(try client.reply().status == 408)
      }
      let all = try await records.first(1)
      #expect(all.map(\.status) == [408])
      #expect(all.map(\.path) == ["/later"])
    }
  }

  @Test("what a client does not wait for is recorded all the same when it is done, with what it would have got")
  func goneWhileAwaited() async throws {
    let records = Records()
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    let (goOn, go) = AsyncStream.makeStream(of: Void.self)
    try await TestServer.run(records: records) { router in
      router.on("POST", "/submit") { request in
        .later {
          begin.yield()
          for await _ in goOn { break }
          request.note(caller: "me", jobID: "42")
          return .text("submitted", status: Status(201))
        }
      }
    } _: { server in
      let client = try Client(port: server.port)
      try client.send("POST /submit \(ended)\r\n")
      for await _ in began { break }
      client.reset()
      while server.openDescriptors > 1 { try await Task.sleep(for: .milliseconds(5)) }
      go.yield()
      let record = try await records.first(1)[0]
      #expect(record.status == 201)
      #expect(record.isCutOff)
      #expect(record.bytesSent == 0)
      #expect(record.caller == "me")
      #expect(record.jobID == "42")
    }
  }

  @Test("streams and tunnels are recorded at their end, with all their bytes, whoever ends them")
  func longAnswers() async throws {
    let records = Records()
    let (goOn, go) = AsyncStream.makeStream(of: Void.self)
    try await TestServer.run(records: records) { router in
      router.on("GET", "/events") { request in
        .now(
          Response(
            body: .stream(length: nil) { writer in
              try await writer.write(Array("first".utf8))
              for await _ in goOn { break }
              while true { try await writer.write([UInt8](repeating: 0, count: 65_536)) }
            }))
      }
      router.on("GET", "/echo") { request in
        request.note(caller: "me")
        return .upgrade(to: "echo") { tunnel in
          while let bytes = try await tunnel.read() { try await tunnel.write(bytes) }
        }
      }
    } _: { server in
      let tunnel = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
      let count = try await server.client { client in
        try client.send(tunnel + "hello")
        shutdown(client.fd, Int32(SHUT_WR))
        return try client.rest().count
      }
      let first = try await records.first(1)[0]
      #expect(first.status == 101)
      #expect(first.bytesSent == count)
      #expect(first.route == "/echo")
      #expect(first.caller == "me")
      #expect(!first.isCutOff)

      let broken = try Client(port: server.port)
      #expect(try await broken.exchange(tunnel).status == 101)
      broken.reset()
      let second = try await records.first(2)[1]
      #expect(second.status == 101)
      #expect(second.isCutOff)

      let reader = try Client(port: server.port)
      try reader.send("GET /events \(ended)\r\n")
      _ = try await blocking { try reader.line() }
      reader.reset()
      go.yield()
      let third = try await records.first(3)[2]
      #expect(third.status == 200)
      #expect(third.path == "/events")
      #expect(third.isCutOff)
      #expect(third.bytesSent >= 100)
    }
  }

  @Test("quiet routes are recorded only where that is asked for", arguments: [false, true])
  func quiet(_ logsQuietRoutes: Bool) async throws {
    let records = Records()
    var router = Router()
    router.on("GET", "/live", isQuiet: true) { _ in .now(.text("alive")) }
    router.on("GET", "/job") { _ in .now(.text("a job")) }
    var configuration = ServerConfiguration(port: 0)
    configuration.accessLog = records.log
    configuration.logsQuietRoutes = logsQuietRoutes
    try await TestServer.run(configuration, router) { server in
      for path in ["live", "job"] { _ = try await server.exchange("GET /\(path) \(ended)\r\n") }
      let all = try await records.first(logsQuietRoutes ? 2 : 1)
      #expect(all.map(\.path) == (logsQuietRoutes ? ["/live", "/job"] : ["/job"]))
      #expect(all.map(\.isQuiet) == (logsQuietRoutes ? [true, false] : [false]))
    }
  }

  @Test("a client that finds no room among the connections is recorded")
  func refusedConnection() async throws {
    let records = Records()
    var limits = Limits()
    limits.connections = 1
    let (begun, begin) = AsyncStream.makeStream(of: Void.self)
    let (goOn, go) = AsyncStream.makeStream(of: Void.self)
    try await TestServer.run(limits: limits, records: records) { router in
      router.on("GET", "/slow") { _ in
        .later {
          begin.yield()
          for await _ in goOn { break }
          return .text("done")
        }
      }
    } _: { server in
      let busy = try Client(port: server.port)
      defer { busy.close() }
      try busy.send("GET /slow \(ended)\r\n")
      for await _ in begun { break }
      #expect(try await blocking { try Client(port: server.port).reply().status } == 503)
      #expect(try await records.first(1).map(\.status) == [503])
      go.yield()
    }
  }
}

import Glibc
import Testing

@testable import HTTP

/// `size` bytes of filling.
private func filling(_ size: Int) -> String { String(repeating: "x", count: size) }

/// A request that is at its limit, and the status it gets.
private struct EdgeCase: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var request: String
  var status: Int
}

private let edges: [EdgeCase] = {
  let limits = Limits()
  func line(_ length: Int) -> String {
    let rest = "GET /live? HTTP/1.1"
    return "GET /live?\(filling(length - rest.utf8.count)) HTTP/1.1\r\nHost: a\r\n\r\n"
  }
  func headerBytes(_ count: Int) -> String {
    "GET /live HTTP/1.1\r\nHost: a\r\nX: \(filling(count - "Host: a\r\nX: \r\n".utf8.count))\r\n\r\n"
  }
  func headerCount(_ count: Int) -> String {
    "GET /live HTTP/1.1\r\nHost: a\r\n\((1..<count).map { "X\($0): y\r\n" }.joined())\r\n"
  }
  func announced(_ length: Int) -> String { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n" }
  func trailers(_ bytes: Int) -> String {
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: \(filling(bytes - 5))\r\n\r\n"
  }
  return [
    EdgeCase(testDescription: "a request line of the limit", request: line(limits.requestLine), status: 200),
    EdgeCase(testDescription: "a request line one byte longer", request: line(limits.requestLine + 1), status: 414),
    EdgeCase(testDescription: "a request line without end", request: "GET /\(filling(40_000))", status: 414),
    EdgeCase(testDescription: "fields of the limit", request: headerBytes(limits.headerBytes), status: 200),
    EdgeCase(testDescription: "fields one byte longer", request: headerBytes(limits.headerBytes + 1), status: 431),
    EdgeCase(
      testDescription: "a field without end", request: "GET /live HTTP/1.1\r\nX: \(filling(70_000))", status: 431),
    EdgeCase(
      testDescription: "a field name without end", request: "GET /live HTTP/1.1\r\n\(filling(70_000))", status: 431),
    EdgeCase(testDescription: "as many fields as the limit", request: headerCount(limits.headerCount), status: 200),
    EdgeCase(testDescription: "one field more", request: headerCount(limits.headerCount + 1), status: 431),
    EdgeCase(testDescription: "a body announced one byte longer", request: announced(limits.body + 1), status: 413),
    EdgeCase(testDescription: "trailers of the limit", request: trailers(limits.headerBytes), status: 200),
    EdgeCase(testDescription: "trailers one byte longer", request: trailers(limits.headerBytes + 1), status: 431),
  ]
}()

@Suite("Request limits")
struct RequestLimitTests {
  @Test("the limits of a request hold to the byte, and the refusal can be read", arguments: edges)
  private func edge(_ edge: EdgeCase) async throws {
    try await TestServer.run { server in
      try await server.client { client in
        try client.send(edge.request)
        let reply = try client.reply()
        #expect(reply.status == edge.status)
        #expect((reply.field("Connection") == "close") == (edge.status != 200))
        if edge.status != 200 { #expect(try client.rest().isEmpty) }
      }
    }
  }

  @Test(
    "a client that is still sending reads why it was refused",
    arguments: ["Content-Length: 50000000", "Transfer-Encoding: chunked"])
  func refusalWhileSending(_ framing: String) async throws {
    try await TestServer.run { router in
      router.on("POST", "/small", bodyLimit: 1000) { _ in .now(.text("")) }
    } _: { server in
      try await server.client { client in
        try client.send("POST /small HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n")
        // More than the sockets' buffers hold: the server has to take it in for the client to come to reading.
        let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x61, count: 65_536) + Array("\r\n".utf8)
        for _ in 0..<200 { try client.send(chunk) }
        let reply = try client.reply()
        #expect(reply.status == 413)
        #expect(reply.text.contains("content_too_large"))
      }
    }
  }

  @Test(
    "a client that sent much, and its end, before it was refused reads why", arguments: [10_000, 300_000, 2_000_000])
  func refusalAfterHalfClose(_ size: Int) async throws {
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    let (goOn, go) = AsyncStream.makeStream(of: Void.self)
    try await TestServer.run { router in
      router.on("GET", "/later") { _ in
        .later {
          begin.yield()
          for await _ in goOn { break }
          return .text("late")
        }
      }
    } _: { server in
      // What is sent while an answer is awaited stays in the sockets, so that the refusal comes with all of it unread.
      async let statuses = server.client { client in
        try client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n")
        try client.send([UInt8](repeating: 0x61, count: size))
        shutdown(client.fd, Int32(SHUT_WR))
        let statuses = [try client.reply().status, try client.reply().status]
        #expect(try client.rest().isEmpty)
        return statuses
      }
      for await _ in began { break }
      try await Task.sleep(for: .milliseconds(100))
      go.yield()
      #expect(try await statuses == [200, 400])
    }
  }

  @Test("a client that sends without end after a refusal is cut off in time")
  func endlessSender() async throws {
    var limits = Limits()
    limits.linger = .milliseconds(200)
    try await TestServer.run(limits: limits) { server in
      let took = try await server.client { client in
        ContinuousClock().measure {
          // Ends when the server resets the connection.
          while (try? client.send(Array("nonsense\r\n".utf8))) != nil { usleep(1000) }
        }
      }
      #expect(took < .seconds(20))
      while server.openDescriptors > 1 { try await Task.sleep(for: .milliseconds(5)) }
    }
  }

  @Test("however few pipelined requests have their turn at once, all are answered in order", arguments: [1, 2, 64])
  func pipelined(_ bound: Int) async throws {
    var limits = Limits()
    limits.pipelined = bound
    try await TestServer.run(limits: limits) { router in
      router.on("GET", "/number/{n}") { request in .now(.text(request.parameters["n"] ?? "")) }
    } _: { server in
      try await server.client { client in
        try client.send((0..<300).map { "GET /number/\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
        for number in 0..<300 { #expect(try client.reply().text == "\(number)") }
      }
    }
  }

  @Test("form fields are counted", arguments: [(1000, 200), (1001, 400)])
  func formFields(_ count: Int, _ status: Int) async throws {
    try await TestServer.run { router in
      router.on("POST", "/form") { request in .now(.text("\(try request.form().fields.count)")) }
    } _: { server in
      let body = (0..<count).map { "a\($0)=b" }.joined(separator: "&")
      let reply = try await server.exchange(
        "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
          + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
      #expect(reply.status == status)
    }
  }

  @Test(
    "gzip is used where it is accepted, and only there",
    arguments: [
      ("gzip", true), ("GZIP", true), ("x-gzip", true), ("gzip;q=1", true), ("gzip; q=0.001", true),
      ("gzip;q=0", false),
      ("gzip;q=0.0", false), ("gzip;q=0.000", false), ("*", true), ("*;q=0", false), ("*;q=0, gzip", true),
      ("*, gzip;q=0", false), ("gzip;q=0, *", false), ("identity", false), ("identity;q=0, gzip", true),
      ("deflate, gzip;q=0.5, *;q=0", true), ("br", false), ("", false), ("gzipx", false), ("x;gzip", false),
      ("br;q=1.0, gzip;q=0.8, *;q=0.1", true), (" gzip ", true), ("deflate,gzip", true), ("gzip;q=x", false),
      ("identity\r\nAccept-Encoding: gzip", true), ("gzip\r\nAccept-Encoding: gzip;q=0", false),
    ])
  func acceptEncoding(_ value: String, _ isZipped: Bool) async throws {
    let text = String(repeating: "{\"state\":\"running\"}", count: 100)
    try await TestServer.run { router in
      router.on("GET", "/json") { _ in .now(.json(Array(text.utf8))) }
      router.on("GET", "/bytes") { _ in
        .now(Response(headers: ["Content-Type": "application/octet-stream"], body: .bytes(Array(text.utf8))))
      }
    } _: { server in
      let fields = "Host: a\r\nAccept-Encoding: \(value)\r\n"
      let reply = try await server.exchange("GET /json HTTP/1.1\r\n\(fields)\r\n")
      #expect((reply.field("Content-Encoding") == "gzip") == isZipped)
      #expect((reply.text == text) == !isZipped)
      #expect(reply.field("Vary") == "Accept-Encoding")
      // HEAD says what GET would.
      let head = try await server.client { client in
        try client.send("HEAD /json HTTP/1.1\r\n\(fields)\r\n")
        return try client.reply(isHead: true)
      }
      #expect(head.field("Content-Encoding") == reply.field("Content-Encoding"))
      #expect(head.field("Content-Length") == reply.field("Content-Length"))
      // What is short or does not shrink is sent as it is.
      #expect(try await server.exchange("GET /live HTTP/1.1\r\n\(fields)\r\n").field("Content-Encoding") == nil)
      #expect(try await server.exchange("GET /bytes HTTP/1.1\r\n\(fields)\r\n").field("Content-Encoding") == nil)
    }
  }
}

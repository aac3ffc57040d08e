import CZlib
import Glibc
import Testing

@testable import HTTP

@Suite("Connection")
struct ConnectionTests {
  @Test(
    "a request is answered with the right status, and a connection that cannot go on is closed",
    arguments: [
      (get, 200, false), ("HEAD /live HTTP/1.1\r\nHost: a\r\n\r\n", 200, false),
      ("GET http://a/live?x=y HTTP/1.1\r\nHost: a\r\n\r\n", 200, false),
      ("GET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, true),
      ("GET /live HTTP/1.0\r\n\r\n", 200, true), ("GET /live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false),
      ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404, false),
      ("POST /live HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 405, false),
      ("BREW /live HTTP/1.1\r\nHost: a\r\n\r\n", 501, false), ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204, false),
      ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 501, false),
      ("OPTIONS /live HTTP/1.1\r\nHost: a\r\n\r\n", 204, false),
      ("GET /live HTTP/1.1\r\n\r\n", 400, true), ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, true),
      ("GET /live HTTP/2.0\r\nHost: a\r\n\r\n", 505, true),
      ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, true),
      ("GET /fails HTTP/1.1\r\nHost: a\r\n\r\n", 500, false),
      ("GET /refuses HTTP/1.1\r\nHost: a\r\n\r\n", 409, false),
      ("GET /fails-later HTTP/1.1\r\nHost: a\r\n\r\n", 500, false),
      ("GET /closes HTTP/1.1\r\nHost: a\r\n\r\n", 200, true),
      ("GET /odd HTTP/1.1\r\nHost: a\r\n\r\n", 500, false),
    ])
  func statuses(_ request: String, _ status: Int, _ closes: Bool) async throws {
    struct Inside: Error {}
    try await TestServer.run { router in
      router.on("GET", "/fails") { _ in throw Inside() }
      router.on("GET", "/refuses") { _ in throw HTTPError(.conflict, code: "busy", "it runs") }
      router.on("GET", "/fails-later") { _ in .later { throw Inside() } }
      router.on("GET", "/closes") { _ in .now(Response(headers: ["Connection": "close"], body: .bytes([]))) }
      router.on("GET", "/odd") { _ in .now(Response(Status(99), body: .bytes([]))) }
    } _: { server in
      try await server.client { client in
        try client.send(request)
        let reply = try client.reply(isHead: request.hasPrefix("HEAD"))
        #expect(reply.status == status)
        #expect(reply.field("Date")?.hasSuffix(" GMT") == true)
        #expect((reply.field("Connection") == "close") == closes)
        #expect(!reply.text.contains("Inside"))
        if closes {
          #expect(try client.rest().isEmpty)
        } else {
          try client.send(get)
          #expect(try client.reply().text == "alive")
        }
      }
    }
  }

  @Test(
    "OPTIONS says what may be asked of a path",
    arguments: [
      ("/live", "GET, HEAD, OPTIONS"), ("/echo", "OPTIONS, POST"),
      ("*", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
    ])
  func options(_ target: String, _ allow: String) async throws {
    try await TestServer.run { server in
      let reply = try await server.exchange("OPTIONS \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(reply.status == 204)
      #expect(reply.field("Allow") == allow)
      #expect(reply.field("Content-Length") == nil)
    }
  }

  @Test("the same bytes in any cut get the same answers")
  func cuts() async throws {
    let requests =
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + get
      + "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
    let answers = try await TestServer.run { server in
      var answers: [[Reply]] = []
      for size in [1, 2, 3, 7, 50, 1000] {
        answers.append(
          try await server.client { client in
            let bytes = Array(requests.utf8)
            for start in stride(from: 0, to: bytes.count, by: size) {
              try client.send(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            let replies = try (0..<3).map { _ in try client.reply() }
            #expect(try client.rest().isEmpty)
            return replies
          })
      }
      return answers
    }
    for replies in answers {
      #expect(replies.map(\.status) == [200, 200, 400])
      #expect(replies.map(\.body) == answers[0].map(\.body))
    }
    #expect(answers[0][0].text == "hello")
  }

  @Test("pipelined requests are answered in their order, whatever their answers take", arguments: [1, 2])
  func pipelining(loops: Int) async throws {
    try await TestServer.run(loops: loops) { router in
      router.on("GET", "/now/{n}") { request in .now(.text(request.parameters["n"] ?? "")) }
      router.on("GET", "/later/{n}") { request in
        let text = request.parameters["n"] ?? ""
        return .later {
          await Task.yield()
          return .text(text)
        }
      }
      router.on("GET", "/stream/{n}") { request in
        let text = request.parameters["n"] ?? ""
        return .now(Response(body: .stream(length: nil) { try await $0.write(Array(text.utf8)) }))
      }
    } _: { server in
      let count = 600
      let texts = try await server.client { client in
        let kinds = ["now", "now", "later", "now", "stream"]
        try client.send(
          (0..<count).map { "GET /\(kinds[$0 % 5])/\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
        return try (0..<count).map { _ in try client.reply().text }
      }
      #expect(texts == (0..<count).map(String.init))
    }
  }

  @Test("a client that pipelines and reads nothing is not answered without bound, nor forgotten")
  func unreadPipeline() async throws {
    try await TestServer.run { router in
      router.on("GET", "/big") { _ in .now(.text(String(repeating: "x", count: 100_000))) }
    } _: { server in
      try await server.client { client in
        try client.send(String(repeating: "GET /big HTTP/1.1\r\nHost: a\r\n\r\n", count: 200))
        for _ in 0..<200 { #expect(try client.reply().body.count == 100_000) }
      }
    }
  }

  @Test("HEAD gets the fields of GET and no body, from a stream and from an error too")
  func head() async throws {
    try await TestServer.run { router in
      router.on("GET", "/stream") { _ in
        .now(Response(body: .stream(length: 7) { _ in Issue.record("a body was made for HEAD") }))
      }
    } _: { server in
      try await server.client { client in
        for (path, status, length) in [("live", 200, "5"), ("stream", 200, "7"), ("nothing", 404, nil)] {
          try client.send("HEAD /\(path) HTTP/1.1\r\nHost: a\r\n\r\n")
          let reply = try client.reply(isHead: true)
          #expect(reply.status == status)
          if let length { #expect(reply.field("Content-Length") == length) }
        }
        try client.send(get)
        #expect(try client.reply().text == "alive")
      }
    }
  }

  @Test(
    "a HEAD that is refused before its head is whole or right gets no body either",
    arguments: [
      ("Host: a b\r\n\r\n", 400), ("\r\n", 400), ("Host: a\r\nExpect: more\r\n\r\n", 417),
      ("Host: a\r\nX: \(String(repeating: "x", count: 40_000))\r\n\r\n", 431), ("Host: a\r\n", 408),
      ("Host: a\r\nContent-Length: 99999999\r\n\r\n", 413),
    ])
  func refusedHead(_ fields: String, _ status: Int) async throws {
    var limits = Limits()
    limits.headerDeadline = .milliseconds(200)
    try await TestServer.run(limits: limits) { server in
      try await server.client { client in
        try client.send("HEAD /live HTTP/1.1\r\n\(fields)")
        let reply = try client.reply(isHead: true)
        #expect(reply.status == status)
        #expect(try client.rest().isEmpty)
      }
    }
  }

  @Test("a client that expects 100 gets it, or the refusal in its place")
  func expectContinue() async throws {
    try await TestServer.run { router in
      router.on("POST", "/small", bodyLimit: 4) { _ in .now(.text("")) }
    } _: { server in
      try await server.client { client in
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        #expect(try client.reply().status == 100)
        try client.send("hi")
        #expect(try client.reply().text == "hi")
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nho")
        #expect(try client.reply().text == "ho")
      }
      for (path, status) in [("/nothing", 404), ("/small", 413), ("/live", 405)] {
        try await server.client { client in
          try client.send("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
          #expect(try client.reply().status == status)
          #expect(try client.rest().isEmpty)
        }
      }
    }
  }

  @Test("a large upload arrives whole, and one byte more than the limit is 413 that can be read")
  func upload() async throws {
    let limit = Limits().body
    try await TestServer.run { router in
      router.on("POST", "/count") { request in .now(.text("\(request.body.count) \(request.body.last ?? 0)")) }
    } _: { server in
      try await server.client { client in
        try client.send("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: \(limit)\r\n\r\n")
        try client.send([UInt8](repeating: 7, count: limit))
        #expect(try client.reply().text == "\(limit) 7")
        try client.send("POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<(limit / 65_536) {
          try client.send(Array("10000\r\n".utf8) + [UInt8](repeating: 8, count: 65_536) + Array("\r\n".utf8))
        }
        try client.send("0\r\n\r\n")
        #expect(try client.reply().text == "\(limit) 8")
      }
      try await server.client { client in
        try client.send("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: \(limit + 1)\r\n\r\n")
        try client.send([UInt8](repeating: 7, count: limit + 1))
        #expect(try client.reply().status == 413)
        #expect(try client.rest().isEmpty)
      }
    }
  }

  @Test(
    "compressible answers are zipped for clients that take it, and say that they vary",
    arguments: ["now", "later", "stream"], [1000, 10_000])
  func gzip(_ kind: String, _ count: Int) async throws {
    // Below and above what is compressed on the loop.
    let text = String(repeating: "{\"state\":\"running\"}", count: count)
    try await TestServer.run { router in
      router.on("GET", "/now") { _ in .now(.json(Array(text.utf8))) }
      router.on("GET", "/later") { _ in
        .later {
          var response = Response.json(Array(text.utf8))
          response.headers.append("ETag", "\"1\"")
          return response
        }
      }
      router.on("GET", "/stream") { _ in
        .later {
          let bytes = Array(text.utf8)
          return Response(
            headers: ["Content-Type": "application/json"],
            body: .stream(length: bytes.count) { writer in
              for start in stride(from: 0, to: bytes.count, by: 1000) {
                try await writer.write(Array(bytes[start..<min(start + 1000, bytes.count)]))
              }
            })
        }
      }
    } _: { server in
      let plain = try await server.exchange("GET /\(kind) HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(plain.text == text)
      #expect(plain.field("Vary") == "Accept-Encoding")
      let zipped = try await server.exchange("GET /\(kind) HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
      #expect(zipped.field("Content-Encoding") == "gzip")
      #expect(zipped.body.count < text.utf8.count / 10)
      #expect(Self.unzipped(zipped.body, atMost: text.utf8.count + 1) == plain.body)
      if kind == "later" { #expect(zipped.field("ETag") == "W/\"1\"") }
    }
  }

  private static func unzipped(_ bytes: [UInt8], atMost limit: Int) -> [UInt8]? {
    var stream = z_stream()
    // 15 bits of window, and 16 more for gzip's header in place of zlib's.
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, size) == Z_OK else { return nil }
    defer { inflateEnd(&stream) }
    var input = bytes
    var isComplete = false
    let output = input.withUnsafeMutableBufferPointer { input in
      [UInt8](unsafeUninitializedCapacity: limit) { output, count in
        stream.next_in = input.baseAddress
        stream.avail_in = UInt32(input.count)
        stream.next_out = output.baseAddress
        stream.avail_out = UInt32(limit)
        isComplete = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0
        count = limit - Int(stream.avail_out)
      }
    }
    return isComplete ? output : nil
  }
}

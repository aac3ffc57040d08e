import Synchronization
import Testing

@testable import HTTP

@Suite("Request ids")
struct RequestIDTests {
  private static func isMade(_ id: String) -> Bool {
    id.count == 15 && id.utf8.allSatisfy { $0.isDigit || $0 &- 0x61 < 26 }
  }

  @Test(
    "an id that is sane is taken over, in place of any other one is made",
    arguments: [
      ("X-Request-ID: abc", "abc"), ("x-request-id:  A.b_c-9 ", "A.b_c-9"),
      ("X-Request-Id: \(String(repeating: "x", count: 64))", String(repeating: "x", count: 64)),
      ("X-Request-ID: \(String(repeating: "x", count: 65))", nil), ("X-Request-ID:", nil), ("X-Request-ID: a b", nil),
      ("X-Request-ID: a\"b", nil), ("X-Request-ID: a,b", nil), ("X-Request-ID: \u{e4}", nil),
      ("X-Request-ID: a\tb", nil), ("X-Request-ID: a\r\nX-Request-ID: a", nil),
      ("X-Request-ID: a b\r\nX-Request-ID: a", nil), ("X-Request-IDs: a", nil),
    ])
  func given(_ fields: String, _ expected: String?) async throws {
    let seen = Mutex<[String]>([])
    try await TestServer.run { router in
      router.on("GET", "/id") { request in
        seen.withLock { $0.append(request.id) }
        return .now(Response(headers: ["X-Request-ID": "handler"], body: .bytes([])))
      }
    } _: { server in
      for path in ["id", "nothing"] {
        let reply = try await server.exchange("GET /\(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n")
        let id = try #require(reply.field("X-Request-ID"))
        #expect(reply.head.lowercased().components(of: "x-request-id") == 1)
        if let expected { #expect(id == expected) } else { #expect(Self.isMade(id)) }
        if path == "id" { #expect(seen.withLock { $0 } == [id]) }
      }
    }
  }

  @Test("no two made ids are the same, not on one connection and not on two loops")
  func distinct() async throws {
    try await TestServer.run(loops: 2) { server in
      var ids: Set<String> = []
      for _ in 0..<4 {
        ids.formUnion(
          try await server.client { client in
            try client.send(String(repeating: "GET /live HTTP/1.1\r\nHost: a\r\n\r\n", count: 100))
            return try (0..<100).compactMap { _ in try client.reply().field("X-Request-ID") }
          })
      }
      #expect(ids.count == 400)
      #expect(ids.allSatisfy(Self.isMade))
    }
  }

  @Test("pipelined requests get back each its own, and one without never that of the one before")
  func pipelined() async throws {
    try await TestServer.run { server in
      try await server.client { client in
        let marks = ["a", nil, "b", "c", nil, nil]
        for mark in marks {
          let field = mark.map { "X-Request-ID: \($0)\r\n" } ?? ""
          try client.send("GET /live HTTP/1.1\r\nHost: a\r\n\(field)\r\n")
        }
        for mark in marks {
          let id = try client.reply().field("X-Request-ID") ?? ""
          if let mark { #expect(id == mark) } else { #expect(Self.isMade(id)) }
        }
      }
    }
  }

  @Test(
    "refusals carry an id too, the client's when its head was understood",
    arguments: [
      ("nonsense\r\n", nil), ("GET /%zz HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine\r\n\r\n", "mine"),
      ("POST /echo HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine\r\nContent-Length: 999999999\r\n\r\n", "mine"),
      ("GET /live HTTP/1.1\r\nX-Request-ID: mine\r\n\r\n", nil),
    ])
  func refusals(_ request: String, _ expected: String?) async throws {
    try await TestServer.run { server in
      let id = try #require(try await server.exchange(request).field("X-Request-ID"))
      if let expected { #expect(id == expected) } else { #expect(Self.isMade(id)) }
    }
  }

  @Test("tasks that answer know for which request they work, and so do those they make")
  func context() async throws {
    try await TestServer.run { router in
      router.on("GET", "/later") { _ in
        .later {
          async let inner = RequestContext.requestID
          return .text("\(RequestContext.requestID ?? "none") \(await inner ?? "none")")
        }
      }
      router.on("GET", "/stream") { _ in
        .now(
          Response(
            body: .stream(length: nil) { try await $0.write(Array((RequestContext.requestID ?? "none").utf8)) }))
      }
      router.on("GET", "/tunnel") { _ in
        .upgrade(to: "t") { try await $0.write(Array((RequestContext.requestID ?? "none").utf8)) }
      }
    } _: { server in
      let fields = "Host: a\r\nX-Request-ID: mine\r\nConnection: upgrade\r\nUpgrade: t\r\n"
      #expect(try await server.exchange("GET /later HTTP/1.1\r\n\(fields)\r\n").text == "mine mine")
      #expect(try await server.exchange("GET /stream HTTP/1.1\r\n\(fields)\r\n").text == "mine")
      try await server.client { client in
        try client.send("GET /tunnel HTTP/1.1\r\n\(fields)\r\n")
        #expect(try client.reply().field("X-Request-ID") == "mine")
        #expect(try client.rest() == Array("mine".utf8))
      }
      #expect(RequestContext.requestID == nil)
    }
  }

  @Test("made ids count on, and begin anew with other letters when they are used up")
  func counting() {
    var ids = RequestIDs()
    let all = (0..<100_000).map { _ in ids.make().text }
    #expect(Set(all).count == all.count)
    #expect(Set(all.map { $0.prefix(7) }).count == 1)
    #expect(all[35].hasSuffix("0000000z"))
    #expect(all[36].hasSuffix("00000010"))
  }
}

extension String {
  /// How often `text` occurs.
  fileprivate func components(of text: String) -> Int {
    var count = 0
    var rest = self[...]
    while let range = rest.firstRange(of: text) {
      count += 1
      rest = rest[range.upperBound...]
    }
    return count
  }
}

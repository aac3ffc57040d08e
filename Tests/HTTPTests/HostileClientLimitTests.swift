import Foundation
import Glibc
import Testing

@testable import HTTP

@Suite("Hostile clients")
struct HostileClientLimitTests {
  private static var threads: Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
  }

  @Test("clients that stall at any point hold up nobody, and are gone when their time is over")
  func stalling() async throws {
    var limits = Limits()
    limits.headerDeadline = .seconds(1)
    limits.bodyIdle = .seconds(1)
    limits.keepAliveIdle = .seconds(1)
    limits.writeStall = .seconds(1)
    limits.linger = .seconds(1)
    try await TestServer.run(limits: limits) { router in
      router.on("GET", "/big") { _ in .now(Response(body: .bytes([UInt8](repeating: 0, count: 10_000_000)))) }
      router.on("GET", "/endless") { _ in
        .now(
          Response(
            body: .stream(length: nil) { writer in
              while true { try await writer.write([UInt8](repeating: 0, count: 65_536)) }
            }))
      }
    } _: { server in
      let beginnings = [
        "", "G", "GET /live HTTP/1.1\r\n", "GET /live HTTP/1.1\r\nHost: a\r\nX: ",
        "GET /live HTTP/1.1\r\nHost: a\r\n\r",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX: ",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", get,
        "GET /big HTTP/1.1\r\nHost: a\r\n\r\n", "GET /endless HTTP/1.1\r\nHost: a\r\n\r\n", "nonsense\r\n",
      ]
      // With the threads that tasks have, which are as many as processors.
      #expect(try await server.exchange(get).status == 200)
      let threads = Self.threads
      try await blocking {
        let clients = try beginnings.flatMap { beginning in
          try (0..<10).map { _ in
            let client = try Client(port: server.port)
            try client.send(beginning)
            return client
          }
        }
        defer { for client in clients { client.close() } }
        let other = try Client(port: server.port)
        let took = try ContinuousClock().measure {
          for _ in 0..<100 {
            try other.send(get)
            let reply = try other.reply()
            #expect(reply.status == 200)
          }
        }
        #expect(took < .seconds(20))
        #expect(Self.threads < threads + 30)
        other.close()
        // None of the clients has closed: the server does.
        var tries = 0
        while server.openDescriptors > 1, tries < 1000 {
          usleep(10_000)
          tries += 1
        }
        #expect(server.openDescriptors == 1)
      }
    }
  }

  @Test(
    "a client that shuts its sending side still gets the answers to what it sent",
    arguments: ["/live", "/later", "/stream"])
  func halfClosed(_ path: String) async throws {
    try await TestServer.run { router in
      router.on("GET", "/later") { _ in
        .later {
          await Task.yield()
          return .text("alive")
        }
      }
      router.on("GET", "/stream") { _ in
        .now(Response(body: .stream(length: 5) { try await $0.write(Array("alive".utf8)) }))
      }
    } _: { server in
      try await server.client { client in
        try client.send(String(repeating: "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n", count: 3))
        shutdown(client.fd, Int32(SHUT_WR))
        for _ in 0..<3 { #expect(try client.reply().text == "alive") }
        #expect(try client.rest().isEmpty)
      }
    }
  }

  @Test(
    "a request cut off by the end of the stream gets no answer that it was done",
    arguments: [
      "GET /live HTTP/1.1\r\nHost: a\r\n", "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
      "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ])
  func cutOff(_ beginning: String) async throws {
    let calls = Counter()
    try await TestServer.run { router in
      router.on("POST", "/count") { _ in
        calls.increment()
        return .now(.text(""))
      }
    } _: { server in
      let answer = try await server.client { client in
        try client.send(beginning)
        shutdown(client.fd, Int32(SHUT_WR))
        return String(decoding: try client.rest(), as: UTF8.self)
      }
      #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"))
      #expect(calls.value == 0)
    }
  }

  @Test("bodies that come in part have a bound together; small ones and other requests go on", arguments: [1, 2])
  func unfinishedBodies(loops: Int) async throws {
    var limits = Limits()
    limits.unfinishedBodies = 1_000_000
    try await TestServer.run(limits: limits, loops: loops) { server in
      try await blocking {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n"
        let part = String(repeating: "x", count: 500_000)
        let first = try Client(port: server.port)
        let second = try Client(port: server.port)
        try first.send(head + part)
        // Then no more than half a megabyte is left to others.
        try first.awaitReading(by: server.port)
        try second.send(head + part)
        try second.send(String(repeating: "x", count: 99_999))
        let refused = try second.reply()
        #expect(refused.status == 503 && refused.head.contains("Retry-After: 2"))
        second.close()
        let small = try Client(port: server.port)
        try small.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        let echoed = try small.reply()
        #expect(echoed.status == 200 && echoed.body == Array("abc".utf8))
        small.close()
        try first.send(String(repeating: "x", count: 100_000))
        let whole = try first.reply()
        #expect(whole.status == 200 && whole.body.count == 600_000)
        // What was counted is given back: the same again.
        try first.send(head + part + String(repeating: "x", count: 100_000))
        let again = try first.reply()
        #expect(again.status == 200)
        first.close()
      }
    }
  }

  @Test("a body counts until its request is answered, though its client has gone")
  func answeredBodies() async throws {
    var limits = Limits()
    limits.unfinishedBodies = 1_000_000
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    let (goOn, go) = AsyncStream.makeStream(of: Void.self)
    try await TestServer.run(limits: limits) { router in
      router.on("POST", "/slow") { _ in
        .later {
          begin.yield()
          for await _ in goOn { break }
          return .text("done")
        }
      }
    } _: { server in
      @Sendable func post(_ path: String) -> String {
        "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n\(String(repeating: "x", count: 600_000))"
      }
      for leaves in [false, true] {
        let client = try Client(port: server.port)
        try await blocking { try client.send(post("/slow")) }
        for await _ in began { break }
        if leaves {
          client.reset()
          while server.openDescriptors > 1 { try await Task.sleep(for: .milliseconds(5)) }
        }
        #expect(try await server.exchange(post("/echo")).status == 503)
        go.yield()
        if leaves {
          while try await server.exchange(post("/echo")).status != 200 { try await Task.sleep(for: .milliseconds(5)) }
        } else {
          #expect(try await blocking { try client.reply() }.text == "done")
          client.close()
        }
        #expect(try await server.exchange(post("/echo")).status == 200)
      }
    }
  }

  @Test("the bodies of strangers leave half of the bound to those who are known")
  func strangers() async throws {
    var configuration = ServerConfiguration(port: 0)
    configuration.limits.unfinishedBodies = 1_000_000
    configuration.sender = { $0.headers["Authorization"] == "known" ? .known("k") : .stranger }
    var router = Router()
    router.on("POST", "/echo") { request in .now(.text("\(request.body.count)")) }
    try await TestServer.run(configuration, router) { server in
      @Sendable func post(_ sender: String) -> String {
        "POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: \(sender)\r\nContent-Length: 300000\r\n\r\n"
          + String(repeating: "x", count: 299_999)
      }
      let first = try Client(port: server.port)
      defer { first.close() }
      try await blocking {
        try first.send(post("stranger"))
        try first.awaitReading(by: server.port)
      }
      #expect(try await server.exchange(post("stranger") + "x").status == 503)
      #expect(try await server.exchange(post("known") + "x").status == 200)
      #expect(try await first.exchange("x").status == 200)
    }
  }

  @Test("the bodies of one sender leave most of the bound to the others, known or not")
  func oneSender() async throws {
    var configuration = ServerConfiguration(port: 0)
    configuration.limits.unfinishedBodies = 4_000_000
    configuration.limits.body = 500_000
    configuration.sender = { request in request.headers["Authorization"].map { .known($0) } ?? .stranger }
    var router = Router()
    router.on("POST", "/echo") { request in .now(.text("\(request.body.count)")) }
    try await TestServer.run(configuration, router) { server in
      @Sendable func post(_ sender: String?) -> String {
        "POST /echo HTTP/1.1\r\nHost: a\r\n" + (sender.map { "Authorization: \($0)\r\n" } ?? "")
          + "Content-Length: 300000\r\n\r\n" + String(repeating: "x", count: 299_999)
      }
      for (sender, other, status) in [("one", "other", 429), (nil, "one", 503)] as [(String?, String, Int)] {
        let first = try Client(port: server.port)
        defer { first.close() }
        try await blocking { try first.send(post(sender)) }
        // Until the server has read it: an eighth of the bound is half a megabyte.
        while try await server.exchange(post(sender) + "x").status == 200 {
          try await Task.sleep(for: .milliseconds(5))
        }
        let refused = try await server.exchange(post(sender) + "x")
        #expect(refused.status == status && refused.text.contains("too_many_bodies"))
        #expect(try await server.exchange(post(other) + "x").status == 200)
        #expect(try await first.exchange("x").status == 200)
      }
    }
  }

  @Test("an answer larger than all buffers arrives whole, and the next behind it")
  func partialWrites() async throws {
    let content = Array(repeatElement(Array(UInt8.min...UInt8.max) + [7], count: 32_000).joined())
    try await TestServer.run { router in
      router.on("GET", "/big") { _ in .now(Response(body: .bytes(content))) }
    } _: { server in
      try await server.client { client in
        try client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n" + get)
        #expect(try client.reply().body == content)
        #expect(try client.reply().text == "alive")
      }
    }
  }
}

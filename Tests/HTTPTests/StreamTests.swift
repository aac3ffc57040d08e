import Glibc
import Synchronization
import Testing

@testable import HTTP

@Suite("Streamed bodies")
struct StreamTests {
  @Test("a stream without a length is chunked, or ends the connection for HTTP/1.0")
  func chunked() async throws {
    try await TestServer.run { router in
      router.on("GET", "/") { _ in
        .later {
          Response(
            body: .stream(length: nil) { writer in
              for part in ["one ", "", "two ", "three"] { try await writer.write(Array(part.utf8)) }
            })
        }
      }
    } _: { server in
      try await server.client { client in
        for _ in 0..<2 {
          try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
          let reply = try client.reply()
          #expect(reply.field("Transfer-Encoding") == "chunked")
          #expect(reply.field("Content-Length") == nil)
          #expect(reply.text == "one two three")
        }
      }
      let old = try await server.exchange("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      #expect(old.field("Transfer-Encoding") == nil)
      #expect(old.field("Connection") == "close")
      #expect(old.text == "one two three")
    }
  }

  @Test("a stream with a length has to keep it")
  func length() async throws {
    try await TestServer.run { router in
      router.on("GET", "/{length}") { request in
        let length = Int(request.parameters["length"] ?? "")
        return .now(Response(body: .stream(length: length) { try await $0.write(Array("12345".utf8)) }))
      }
    } _: { server in
      let kept = try await server.exchange("GET /5 HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(kept.text == "12345")
      for length in [4, 6] {
        await #expect(throws: ClientError.self) {
          try await server.exchange("GET /\(length) HTTP/1.1\r\nHost: a\r\n\r\n")
        }
      }
    }
  }

  @Test("a stream that breaks off never looks whole", arguments: ["1.0", "1.1"])
  func broken(_ version: String) async throws {
    struct Broken: Error {}
    try await TestServer.run { router in
      router.on("GET", "/") { _ in
        .now(
          Response(
            body: .stream(length: nil) { writer in
              try await writer.write(Array("part".utf8))
              throw Broken()
            }))
      }
    } _: { server in
      await #expect(throws: ClientError.self) {
        try await server.exchange("GET / HTTP/\(version)\r\nHost: a\r\n\r\n")
      }
    }
  }

  @Test("a writer waits for a client that does not read, and goes on when it does")
  func backPressure() async throws {
    let written = Counter()
    let block = [UInt8](repeating: 1, count: 65_536)
    let total = 1000
    try await TestServer.run { router in
      router.on("GET", "/") { _ in
        .now(
          Response(
            body: .stream(length: total * block.count) { writer in
              for _ in 0..<total {
                try await writer.write(block)
                written.increment()
              }
            }))
      }
    } _: { server in
      try await server.client { client in
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        // Until the sockets' buffers are full and the writer stands still.
        var last = -1
        while last != written.value || last == 0 {
          last = written.value
          usleep(30_000)
        }
        #expect(last < total / 2)
        #expect(try client.reply().body.count == total * block.count)
      }
    }
  }

  @Test("a writer is told when the client has gone")
  func clientGone() async throws {
    let (ended, end) = AsyncStream.makeStream(of: Bool.self)
    let written = Counter()
    try await TestServer.run { router in
      router.on("GET", "/") { _ in
        .now(
          Response(
            body: .stream(length: nil) { writer in
              do {
                while true {
                  try await writer.write([UInt8](repeating: 1, count: 10_000))
                  written.increment()
                }
              } catch {
                end.yield(error is BodyWriterError && Task.isCancelled)
                end.finish()
                throw error
              }
            }))
      }
    } _: { server in
      try await server.client { client in
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.line() == "HTTP/1.1 200 OK")
        // Until the writer waits for the client to take what was written.
        var before = 0
        while case let count = written.value, count != before {
          before = count
          usleep(100_000)
        }
        client.reset()
      }
      for await wasTold in ended { #expect(wasTold) }
    }
  }

  @Test("a stream without an end of its own is told when the server drains")
  func drainEndsStream() async throws {
    let (ending, end) = AsyncStream.makeStream(of: Void.self)
    try await TestServer.run { router in
      router.on("GET", "/events") { _ in
        .now(
          Response(
            body: .stream(length: nil) { writer in
              writer.onDrain { end.finish() }
              try await writer.write(Array("first ".utf8))
              for await _ in ending {}
              try await writer.write(Array("last".utf8))
            }))
      }
    } _: { test in
      let client = try Client(port: test.port)
      defer { client.close() }
      try client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try await blocking { client.hasInput(within: 30_000) })
      async let drained: Void = test.server.drain(within: .seconds(30))
      let (text, rest) = try await blocking { (try client.reply().text, try client.rest()) }
      #expect(text == "first last")
      #expect(rest.isEmpty)
      client.close()
      await drained
    }
  }

  @Test("a client that takes nothing is cut off, however often something is written for it")
  func stalledWhileWritten() async throws {
    var limits = Limits()
    limits.writeStall = .milliseconds(300)
    let (ended, end) = AsyncStream.makeStream(of: Int.self)
    try await TestServer.run(limits: limits) { router in
      router.on("GET", "/") { _ in
        .now(
          Response(
            body: .stream(length: nil) { writer in
              let written = Counter()
              let big = Task { try await writer.write([UInt8](repeating: 1, count: 20_000_000)) }
              while written.value < 500, !Task.isCancelled {
                written.increment()
                Task { try await writer.write([1]) }
                try? await Task.sleep(for: .milliseconds(20))
              }
              end.yield(written.value)
              try await big.value
            }))
      }
    } _: { server in
      let client = try Client(port: server.port)
      defer { client.close() }
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      for await count in ended {
        #expect(count < 250)
        break
      }
    }
  }
}

final class Counter: Sendable {
  private let count = Atomic(0)
  var value: Int { count.load(ordering: .relaxed) }
  func increment() { count.add(1, ordering: .relaxed) }
}

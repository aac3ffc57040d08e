import Glibc
import Synchronization
import Testing

@testable import HTTP

private let switching = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: a, ECHO\r\n\r\n"

@Suite("Upgrade to a tunnel")
struct TunnelTests {
  private func run(
    _ speak: @escaping @Sendable (Tunnel) async throws -> Void, _ body: (TestServer) async throws -> Void
  ) async throws {
    try await TestServer.run { router in
      router.on("GET", "/echo") { _ in .upgrade(to: "echo", headers: ["X-Kind": "test"], speak) }
    } _: {
      try await body($0)
    }
  }

  private static let echo: @Sendable (Tunnel) async throws -> Void = { tunnel in
    while let bytes = try await tunnel.read() { try await tunnel.write(bytes) }
  }

  @Test("bytes go both ways after 101, those too that came with the request, until the client ends")
  func echoes() async throws {
    try await run(Self.echo) { server in
      try await server.client { client in
        try client.send(switching + "early ")
        let reply = try client.reply()
        #expect(reply.status == 101)
        #expect(reply.field("Upgrade") == "echo")
        #expect(reply.field("Connection") == "upgrade")
        #expect(reply.field("X-Kind") == "test")
        #expect(reply.field("Date") != nil)
        #expect(try client.take(6) == Array("early ".utf8))
        // What would be a request is none here.
        try client.send("GET / HTTP/1.1\r\n\r\n")
        #expect(try client.take(18) == Array("GET / HTTP/1.1\r\n\r\n".utf8))
        shutdown(client.fd, Int32(SHUT_WR))
        #expect(try client.rest().isEmpty)
      }
    }
  }

  @Test(
    "who does not ask for the protocol is answered 426",
    arguments: [
      "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n",
      "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
      "GET /echo HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
    ])
  func notAsked(_ request: String) async throws {
    try await run(Self.echo) { server in
      let reply = try await server.exchange(request)
      #expect(reply.status == 426)
      #expect(reply.field("Upgrade") == "echo")
      #expect(reply.head.lowercased().contains("connection: upgrade"))
    }
  }

  @Test("much more than any buffer holds arrives whole, and a tunnel that does not read makes the client wait")
  func backPressure() async throws {
    let read = Mutex(0)
    let (goOn, go) = AsyncStream.makeStream(of: Void.self)
    try await run { tunnel in
      for await _ in goOn { break }
      while let bytes = try await tunnel.read() {
        read.withLock { $0 += bytes.count }
        try await tunnel.write(bytes)
      }
    } _: { server in
      let client = try Client(port: server.port)
      defer { client.close() }
      #expect(try await client.exchange(switching).status == 101)
      var blocks: [UInt8] = []
      for block in UInt8(0)..<20 { blocks += [UInt8](repeating: block, count: 999_999) }
      let bytes = blocks
      let sent = Mutex(false)
      async let writing: Void = blocking {
        try client.send(bytes)
        sent.withLock { $0 = true }
        shutdown(client.fd, Int32(SHUT_WR))
      }
      // Nobody reads: what is under way fills up.
      try await Task.sleep(for: .milliseconds(100))
      #expect(!sent.withLock { $0 })
      go.yield()
      let echoed = try await blocking { try client.rest() }
      try await writing
      #expect(echoed == bytes)
    }
  }

  @Test("a client that goes away ends the tunnel's reading and its task")
  func clientGone() async throws {
    let (ended, end) = AsyncStream.makeStream(of: String.self)
    try await run { tunnel in
      do { while try await tunnel.read() != nil {} } catch { end.yield("\(error) \(Task.isCancelled)") }
    } _: { server in
      let client = try Client(port: server.port)
      #expect(try await client.exchange(switching).status == 101)
      client.reset()
      for await how in ended {
        #expect(how == "connectionClosed true")
        break
      }
      // The loop closes it in its own time.
      let deadline = ContinuousClock.now + .seconds(5)
      while server.openDescriptors != 1, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(2)) }
      #expect(server.openDescriptors == 1)
    }
  }

  @Test("reading can be given up and begun again, and no byte is lost")
  func cancelledRead() async throws {
    try await run { tunnel in
      let reading = Task { try await tunnel.read() }
      await Task.yield()
      reading.cancel()
      let given = await reading.result
      #expect(throws: CancellationError.self) { try given.get() }
      try await tunnel.write(Array("now".utf8))
      try await tunnel.write(try await tunnel.read() ?? [])
    } _: { server in
      try await server.client { client in
        try client.send(switching)
        #expect(try client.reply().status == 101)
        #expect(try client.take(3) == Array("now".utf8))
        try client.send("bytes")
        #expect(String(decoding: try client.rest(), as: UTF8.self) == "bytes")
      }
    }
  }

  @Test("a tunnel through which nothing goes is closed when its time is over, one that is used goes on")
  func idle() async throws {
    var limits = Limits()
    limits.tunnelIdle = .seconds(1)
    let (ended, end) = AsyncStream.makeStream(of: String.self)
    try await TestServer.run(limits: limits) { router in
      router.on("GET", "/echo") { _ in
        .upgrade(to: "echo") { tunnel in
          do { try await Self.echo(tunnel) } catch { end.yield("\(error)") }
        }
      }
    } _: { server in
      let port = server.port
      try await blocking {
        let client = try Self.usedClient(port: port)
        defer { client.close() }
        let began = ContinuousClock.now
        #expect(try client.rest().isEmpty)
        let took = ContinuousClock.now - began
        #expect(took > .milliseconds(900) && took < .seconds(20))
      }
      for await how in ended {
        #expect(how == "connectionClosed")
        break
      }
    }
  }

  /// A client whose tunnel was used every 200 ms, for longer than it may be idle. One that was closed meanwhile proves
  /// nothing if this machine was too busy to use it that often.
  private static func usedClient(port: Int) throws -> Client {
    while true {
      let client = try Client(port: port)
      try client.send(switching)
      #expect(try client.reply().status == 101)
      var (last, longest) = (ContinuousClock.now, Duration.zero)
      do {
        for _ in 0..<8 {
          usleep(200_000)
          try client.send("x")
          #expect(try client.take(1) == [0x78])
          longest = max(longest, .now - last)
          last = .now
        }
        return client
      } catch {
        client.close()
        guard max(longest, .now - last) > .milliseconds(800) else { throw error }
      }
    }
  }

  @Test("a tunnel that fails is reset, one that is told to drain ends")
  func ends() async throws {
    struct Failure: Error {}
    try await run { _ in
      throw Failure()
    } _: { server in
      try await server.client { client in
        try client.send(switching)
        #expect(throws: ClientError.self) { while try !client.take(1).isEmpty {} }
      }
    }
    let (ending, end) = AsyncStream.makeStream(of: Void.self)
    try await run { tunnel in
      tunnel.onDrain { end.finish() }
      for await _ in ending {}
      try await tunnel.write(Array("bye".utf8))
    } _: { server in
      let client = try Client(port: server.port)
      #expect(try await client.exchange(switching).status == 101)
      async let drained: Void = server.server.drain(within: .seconds(30))
      let rest = try await blocking { try client.rest() }
      #expect(String(decoding: rest, as: UTF8.self) == "bye")
      client.close()
      await drained
    }
  }
}

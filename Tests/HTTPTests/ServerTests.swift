import Glibc
import Logging
import Testing

@testable import HTTP

@Suite("Server")
struct ServerTests {
  @Test("an address that cannot be listened on is a clear error")
  func addressErrors() async throws {
    func start(_ address: String, _ port: Int) throws {
      let server = Server(
        configuration: ServerConfiguration(bindAddress: address, port: port), router: Router(),
        logger: Logger(label: "test"))
      try server.start()
    }
    try await TestServer.run { test in
      #expect { try start("127.0.0.1", test.port) } throws: {
        "\($0)" == "cannot listen on 127.0.0.1:\(test.port): another process already uses this address"
      }
      #expect { try test.server.start() } throws: { "\($0)" == "the server was started before" }
    }
    #expect { try start("192.0.2.1", 0) } throws: { "\($0)".contains("this machine has no such address") }
    #expect { try start("not an address", 0) } throws: { $0 is ServerError }
    #expect { try start("127.0.0.1", 65_536) } throws: { "\($0)".contains("ports are 0 to 65535") }
  }

  @Test("a head that does not come in time is 408, from its first byte on; a connection that says nothing is closed")
  func headerDeadline() async throws {
    var limits = Limits()
    limits.headerDeadline = .seconds(1)
    try await TestServer.run(limits: limits) { server in
      let took = try await ContinuousClock().measure {
        try await server.client { client in
          try client.send(get + "GET /li")
          #expect(try client.reply().status == 200)
          // Bytes that trickle in do not move the deadline.
          for _ in 0..<3 {
            try client.send("v")
            usleep(50_000)
          }
          #expect(try client.reply().status == 408)
          #expect(try client.rest().isEmpty)
        }
      }
      #expect(took > .milliseconds(990) && took < .seconds(20))
      let silent = try await server.client { try $0.rest() }
      #expect(silent.isEmpty)
    }
  }

  @Test("a body that stands still is 408, an idle connection is closed, a client that takes nothing is cut off")
  func otherDeadlines() async throws {
    var limits = Limits()
    limits.bodyIdle = .milliseconds(100)
    limits.keepAliveIdle = .milliseconds(100)
    limits.writeStall = .milliseconds(100)
    let big = Counter()
    try await TestServer.run(limits: limits) { router in
      router.on("GET", "/big") { _ in
        big.increment()
        return .now(Response(body: .bytes([UInt8](repeating: 0, count: 20_000_000))))
      }
    } _: { server in
      try await server.client { client in
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
        #expect(try client.reply().status == 408)
      }
      try await server.client { client in
        try client.send(get)
        #expect(try client.reply().status == 200)
        #expect(try client.rest().isEmpty)
      }
      try await server.client { client in
        try client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        while big.value == 0 || server.openDescriptors > 1 { usleep(10_000) }
        #expect(throws: ClientError.self) { try client.reply().status }
      }
    }
  }

  @Test("draining answers what was begun, closes what is idle, and accepts nothing more", arguments: [1, 3])
  func drain(loops: Int) async throws {
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    let (goOn, go) = AsyncStream.makeStream(of: Void.self)
    try await TestServer.run(loops: loops) { router in
      router.on("GET", "/slow") { _ in
        .later {
          begin.yield()
          for await _ in goOn { break }
          return .text("done")
        }
      }
    } _: { test in
      let idle = try Client(port: test.port)
      defer { idle.close() }
      #expect(try await idle.exchange(get).status == 200)
      async let reply = test.client { client in
        try client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        let reply = try client.reply()
        #expect(try client.rest().isEmpty)
        return reply
      }
      for await _ in began { break }
      async let drained: Void = test.server.drain(within: .seconds(10))
      let afterwards = try await blocking { try idle.rest() }
      #expect(afterwards.isEmpty)
      await #expect(throws: ClientError.self) { try await test.exchange(get) }
      // The other loops are told after the listener's.
      try await Task.sleep(for: .milliseconds(500))
      go.yield()
      let answered = try await reply
      #expect(answered.text == "done")
      #expect(answered.field("Connection") == "close")
      await drained
      #expect(test.openDescriptors == 0)
    }
  }

  @Test("what is not done when the drain's time is over is closed")
  func drainDeadline() async throws {
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    try await TestServer.run { router in
      router.on("GET", "/stuck") { _ in
        .now(
          Response(
            body: .stream(length: nil) { writer in
              begin.yield()
              try await Task.sleep(for: .seconds(60))
            }))
      }
    } _: { test in
      let reply = Task { try await test.exchange("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n") }
      for await _ in began { break }
      await test.server.drain(within: .milliseconds(50))
      #expect(test.openDescriptors == 0)
      await #expect(throws: ClientError.self) { try await reply.value }
    }
  }

  @Test("connections opened and dropped at any point leave no descriptor behind")
  func descriptors() async throws {
    try await TestServer.run { router in
      router.on("GET", "/later") { _ in
        .later {
          await Task.yield()
          return .text("late")
        }
      }
    } _: { server in
      let beginnings = [
        "", "GET /l", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", get,
        "GET /later HTTP/1.1\r\nHost: a\r\n\r\n", "nonsense\r\n", "GET /later HTTP/1.1\r\nHost: a\r\n\r\n" + get,
      ]
      let port = server.port
      try await blocking {
        for batch in 0..<5 {
          let clients = try (0..<200).map { _ in try Client(port: port) }
          for (index, client) in clients.enumerated() {
            try client.send(beginnings[index % beginnings.count])
            if (index + batch) % 3 == 0 { client.reset() } else { client.close() }
          }
        }
        // Behind all others in the listener's queue.
        let last = try Client(port: port)
        try last.send(get)
        let reply = try last.reply()
        #expect(reply.status == 200)
        last.close()
        // The listener is all that stays; the server may still be reading the last ends.
        var tries = 0
        while server.openDescriptors > 1, tries < 500 {
          usleep(10_000)
          tries += 1
        }
      }
      #expect(server.openDescriptors == 1)
    }
  }

  @Test("a client that goes away while its answer is made costs nothing")
  func clientGone() async throws {
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    let (goOn, go) = AsyncStream.makeStream(of: Void.self)
    let (done, finish) = AsyncStream.makeStream(of: Bool.self)
    try await TestServer.run { router in
      router.on("GET", "/slow") { _ in
        .later {
          begin.yield()
          for await _ in goOn { break }
          finish.yield(Task.isCancelled)
          return .text("nobody reads this")
        }
      }
    } _: { server in
      let client = try Client(port: server.port)
      try client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
      for await _ in began { break }
      client.reset()
      while server.openDescriptors > 1 { try await Task.sleep(for: .milliseconds(5)) }
      go.yield()
      // What it began it finishes.
      for await wasCancelled in done {
        #expect(!wasCancelled)
        break
      }
      #expect(try await server.exchange(get).status == 200)
    }
  }

  @Test(
    "for a connection more than allowed the oldest idle one goes; when none is idle it is told so", arguments: [1, 2])
  func connectionLimit(loops: Int) async throws {
    var limits = Limits()
    // A connection in each loop, and one more.
    limits.connections = 3
    limits.headerDeadline = .seconds(60)
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    let (goOn, go) = AsyncStream.makeStream(of: Void.self)
    try await TestServer.run(limits: limits, loops: loops) { router in
      router.on("GET", "/slow") { _ in
        .later {
          begin.yield()
          for await _ in goOn { break }
          return .text("done")
        }
      }
    } _: { server in
      let held = try (0..<3).map { _ in try Client(port: server.port) }
      for client in held {
        #expect(try await client.exchange(get).status == 200)
        // The clock that idle times are taken from ticks every few milliseconds.
        try await Task.sleep(for: .milliseconds(10))
      }
      // Its turn to be the oldest was before the others'.
      #expect(try await held[0].exchange(get).status == 200)
      let fourth = try Client(port: server.port)
      #expect(try await fourth.exchange(get).status == 200)
      let evicted = try await blocking { try held[1].rest() }
      #expect(evicted.isEmpty)
      let busy = [held[0], held[2], fourth]
      for client in busy { try client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") }
      var count = 0
      for await _ in began {
        count += 1
        if count == busy.count { break }
      }
      let refused = try await server.exchange(get)
      #expect(refused.status == 503)
      #expect(refused.field("Retry-After") == "1")
      for client in busy {
        go.yield()
        _ = client
      }
      for client in busy {
        let reply = try await blocking { try client.reply() }
        #expect(reply.text == "done")
      }
      #expect(try await server.exchange(get).status == 200)
      for client in held + [fourth] { client.close() }
    }
  }

  @Test("whichever loop has the connection that was idle longest, it is the one that goes", arguments: [1, 2, 3])
  func oldestOfAll(loops: Int) async throws {
    var limits = Limits()
    limits.connections = 5
    try await TestServer.run(limits: limits, loops: loops) { server in
      var held: [Client] = []
      for number in 0..<16 {
        let client = try Client(port: server.port)
        held.append(client)
        #expect(try await client.exchange(get).status == 200)
        // The clock that idle times are taken from ticks every few milliseconds.
        try await Task.sleep(for: .milliseconds(10))
        guard number >= limits.connections else { continue }
        let oldest = held.removeFirst()
        #expect(try await blocking { try oldest.rest() }.isEmpty)
        oldest.close()
        #expect(!held.contains { $0.hasInput(within: 0) })
      }
      for client in held { client.close() }
    }
  }

  @Test("a body that comes in drops is 408 when its size does not justify the time")
  func bodyRate() async throws {
    var limits = Limits()
    limits.bodyIdle = .seconds(1)
    limits.bodyRate = 1000
    try await TestServer.run(limits: limits) { server in
      let took = try await ContinuousClock().measure {
        try await server.client { client in
          try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
          // Never idle for long, but ten bytes a second.
          var drops = 0
          while drops < 50, (try? client.send("x")) != nil, !client.hasInput(within: 100) { drops += 1 }
          #expect(drops < 40)
          #expect(try client.reply().status == 408)
        }
      }
      #expect(took < .seconds(20))
      // Slow, but not too slow, though it takes longer than the idle time: 100 bytes each 50 ms.
      try await server.client { client in
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n")
        for _ in 0..<30 {
          try client.send([UInt8](repeating: 0x61, count: 100))
          usleep(50_000)
        }
        #expect(try client.reply().status == 200)
      }
    }
  }

  @Test("a body that began fast has to go on fast enough")
  func fastBegin() async throws {
    var limits = Limits()
    limits.bodyIdle = .milliseconds(300)
    limits.bodyRate = 1000
    try await TestServer.run(limits: limits) { server in
      try await server.client { client in
        try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        // On the whole that is enough for a quarter of an hour.
        try client.send([UInt8](repeating: 0x61, count: 1_000_000))
        var drops = 0
        while drops < 50, (try? client.send("x")) != nil, !client.hasInput(within: 100) { drops += 1 }
        #expect(drops < 40)
        #expect(try client.reply().status == 408)
      }
    }
  }

  @Test("a body's time begins with itself, not with the one before it on the connection")
  func nextBody() async throws {
    var limits = Limits()
    limits.bodyIdle = .seconds(2)
    limits.bodyRate = 1000
    try await TestServer.run(limits: limits) { server in
      try await server.client { client in
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
        try client.send(head + "first")
        usleep(1_200_000)
        try client.send(" body" + head + "n")
        #expect(try client.reply().text == "first body")
        usleep(1_200_000)
        try client.send("ext body..")
        #expect(try client.reply().text == "next body.")
      }
    }
  }

  @Test("an empty line after a body is no begin of a request: the connection is idle, and a drain closes it")
  func emptyLineAfterBody() async throws {
    var limits = Limits()
    limits.headerDeadline = .milliseconds(100)
    try await TestServer.run(limits: limits) { server in
      let client = try Client(port: server.port)
      defer { client.close() }
      let request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\r\n"
      #expect(try await client.exchange(request).text == "hi")
      #expect(try await !blocking { client.hasInput(within: 500) })
      let took = await ContinuousClock().measure { await server.server.drain(within: .seconds(20)) }
      #expect(took < .seconds(10))
      #expect(try await blocking { try client.rest() }.isEmpty)
    }
  }

  @Test("the connections fit the descriptors that there are", arguments: [(1024, 896), (100, 50), (100_000, 10_000)])
  func descriptorLimit(_ descriptors: Int, _ connections: Int) {
    var limits = Limits()
    #expect(limits.fit(descriptors) == (connections < Limits().connections))
    #expect(limits.connections == connections)
  }

  @Test(
    "without a free descriptor the connection that was idle longest goes for a new one", .timeLimit(.minutes(1)))
  func descriptorsHeldIdle() async {
    await #expect(processExitsWith: .success) {
      for loops in [1, 2] {
        try await TestServer.run(loops: loops) { server in
          var held: [Client] = []
          for _ in 0..<3 {
            held.append(try Client(port: server.port))
            try #require(try await held.last?.exchange(get).status == 200)
            // The clock that idle times are taken from ticks every few milliseconds.
            try await Task.sleep(for: .milliseconds(10))
          }
          var limit = rlimit(rlim_cur: 256, rlim_max: 256)
          setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
          var spares: [Int32] = []
          while case let spare = dup(0), spare >= 0 { spares.append(spare) }
          close(spares.removeLast())
          let client = try Client(port: server.port)
          try #require(try await client.exchange(get).status == 200)
          let oldest = held[0]
          try #require(try await blocking { try oldest.rest() }.isEmpty)
          try #require(!held[1].hasInput(within: 0) && !held[2].hasInput(within: 0))
          for client in held + [client] { client.close() }
          for spare in spares { close(spare) }
        }
      }
    }
  }

  @Test(
    "without a free descriptor nothing is accepted, and the server goes on when one comes back",
    .timeLimit(.minutes(1)))
  func descriptorsExhausted() async {
    await #expect(processExitsWith: .success) {
      try await TestServer.run { server in
        // What the process opens for a moment with its first threads would take the descriptor that is left for the client.
        let listening = server.openDescriptors
        try #require(try await server.exchange(get).status == 200)
        while server.openDescriptors > listening { try await Task.sleep(for: .milliseconds(1)) }
        var limit = rlimit(rlim_cur: 256, rlim_max: 256)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var spares: [Int32] = []
        while case let spare = dup(0), spare >= 0 { spares.append(spare) }
        close(spares.removeLast())
        let client = try Client(port: server.port)
        try client.send(get)
        let wasAnswered = try await blocking { client.hasInput(within: 300) }
        try #require(!wasAnswered)
        close(spares.removeLast())
        let reply = try await blocking { try client.reply() }
        try #require(reply.status == 200)
        client.close()
        // What was refused before is forgotten.
        try #require(try await server.exchange(get).status == 200)
      }
    }
  }

  @Test("a request knows where it came from")
  func remoteAddress() async throws {
    try await TestServer.run { router in
      router.on("GET", "/from") { request in .now(.text(request.remoteAddress)) }
    } _: { server in
      try await server.client { client in
        try client.send("GET /from HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.reply().text == "127.0.0.1:\(Socket.port(of: client.fd))")
      }
    }
  }
}

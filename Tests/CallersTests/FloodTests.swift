import Foundation
import Testing
import Tokens

@testable import Callers

@Suite("When many credentials are wrong")
struct FloodTests {
  /// Sends so many wrong keys, one after another.
  private func fail(_ count: Int, _ door: Door) async throws {
    for _ in 0..<count {
      let reply = try await door.get("/now", basic("a:b"))
      #expect(reply.status == 401)
    }
  }

  /// Waits until so many answers are delayed.
  private func delayed(_ count: Int, _ door: Door) async throws {
    while door.gate.load.delayed != count { try await Task.sleep(for: .milliseconds(1)) }
  }

  @Test("Beyond ten, wrong credentials wait; right ones never, even from the same address and known for the first time")
  func slowed() async throws {
    let clock = ManualClock()
    try await Door.run(clock: clock) { door in
      try await fail(10, door)
      async let eleventh = door.get("/now", basic("a:b"))
      try await delayed(1, door)
      async let twelfth = door.get("/now", "Bearer " + Token.forged(1))
      try await delayed(2, door)
      while clock.remaining.count < 3 { await Task.yield() }
      #expect(clock.remaining == [.milliseconds(200), .milliseconds(400), .seconds(60)])

      #expect(try await door.get("/now", basic("old:key")).status == 200)
      #expect(try await door.get("/now", "Bearer " + Token.of("kirby@example.com")).status == 200)
      #expect(try await door.get("/now", from: "127.0.0.1").status == 401, "without credentials nothing is tried")
      #expect(try await door.get("/now", basic("a:b"), from: "127.0.0.2").status == 401)
      #expect(door.gate.load.delayed == 2)

      clock.advance(by: .milliseconds(400))
      #expect(try await [eleventh.status, twelfth.status] == [401, 401])
      #expect(door.gate.load.delayed == 0)
    }
  }

  @Test("The service is not slowed for the tokens that it hands on; a user is")
  func handedOn() async throws {
    try await Door.run { door in
      for number in 0..<20 { #expect(try await door.post(Token.forged(number), as: basic("old:key")).status == 401) }
      let user = "Bearer " + Token.of("kirby@example.com")
      for number in 0..<10 { #expect(try await door.post(Token.forged(number), as: user).status == 401) }
      let client = try door.client()
      let body = Token.forged(1)
      try client.send(
        "POST /bearer HTTP/1.1\r\nHost: a\r\nAuthorization: \(user)\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
          + body)
      try await delayed(1, door)
    }
  }

  @Test("When too many answers wait, more are 429 at once")
  func tooMany() async throws {
    let clock = ManualClock()
    try await Door.run(maximumDelayed: 3, clock: clock) { door in
      try await fail(10, door)
      let waiting = try (0..<3).map { _ in try door.client() }
      for client in waiting { try client.send(Door.request("/now", [basic("a:b")])) }
      try await delayed(3, door)
      let reply = try await door.get("/now", "Bearer " + Token.forged(1))
      #expect(reply.status == 429 && reply.values("Retry-After") == ["2"] && reply.error["code"] == "too_many_failures")
      #expect(reply.error["error"]?.hasPrefix("the token's signature does not match") == true)
      #expect(try await door.get("/now", basic("a:b"), from: "127.0.0.2").status == 401)
      #expect(try await door.get("/now", basic("old:key")).status == 200)
      while clock.remaining.count < 4 { await Task.yield() }
      clock.advance(by: .seconds(2))
      for client in waiting { #expect(try await blocking { try client.reply().status } == 401) }
    }
  }

  @Test("Requests with large bodies are not held for long: when theirs are too many bytes, more are 429 at once")
  func largeBodies() async throws {
    let clock = ManualClock()
    try await Door.run(clock: clock) { door in
      try await fail(10, door)
      let body = String(repeating: "a", count: Gate.maximumDelayedBytes / 2)
      let request =
        "POST /bearer HTTP/1.1\r\nHost: a\r\nAuthorization: \(basic("a:b"))\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
      let waiting = try (0..<2).map { _ in try door.client() }
      for client in waiting { try await blocking { try client.send(request) } }
      try await delayed(2, door)
      let third = try await door.post(body, as: basic("a:b"))
      #expect(third.status == 429 && door.gate.load.delayed == 2)
      async let small = door.get("/now", basic("a:b"))
      try await delayed(3, door)
      while clock.remaining.count < 4 { await Task.yield() }
      clock.advance(by: .seconds(2))
      #expect(try await small.status == 401)
      for client in waiting { #expect(try await blocking { try client.reply().status } == 401) }
    }
  }

  @Test("Requests of one connection are answered in their order, the slowed one before what follows")
  func order() async throws {
    let clock = ManualClock()
    try await Door.run(clock: clock) { door in
      try await fail(10, door)
      let client = try door.client()
      let fields = [basic("a:b"), "Bearer " + Token.of("kirby@example.com"), basic("old:key")]
      try client.send(fields.map { Door.request("/now", [$0]) }.joined())
      try await delayed(1, door)
      while clock.remaining.count < 2 { await Task.yield() }
      #expect(!client.hasInput(within: 50))
      clock.advance(by: .milliseconds(200))
      let replies = try await blocking { try (0..<3).map { _ in try client.reply() } }
      #expect(replies.map(\.status) == [401, 200, 200])
      #expect(replies.dropFirst().map(\.body) == ["kirby@example.com", "service"])
    }
  }

  @Test("What the log leaves out is summed up after a minute")
  func summary() async throws {
    let clock = ManualClock()
    try await Door.run(clock: clock) { door in
      try await fail(9, door)
      while clock.remaining.isEmpty { await Task.yield() }
      #expect(door.log.lines.count == 5)
      clock.advance(by: .seconds(60))
      while door.log.lines.count < 6 { await Task.yield() }
      #expect(
        door.log.lines.last
          == "notice more refused credentials in the last minute busiest=127.0.0.1 (9) refusals=4")
      try await fail(1, door)
      #expect(door.log.lines.count == 7, "the next minute has its own lines")
    }
  }

  @Test("Forty thousand distinct bad tokens leave nothing behind, and the good ones are answered meanwhile")
  func flood() async throws {
    // In a process of its own, whose memory no other test takes.
    await #expect(processExitsWith: .success) {
      let authenticator = try Authenticator.standing()
      try await Door.run(authenticator, maximumDelayed: 100, clock: HastyClock()) { door in
        let clients = 20
        let each = 2000
        let isOver = Flag()
        let before = try Self.residentKilobytes()
        async let good = Self.sendGood(door, until: isOver)
        try await withThrowingTaskGroup(of: Int.self) { group in
          for client in 0..<clients {
            group.addTask { try await Self.flood(door, client, each) }
          }
          let refused = try await group.reduce(0, +)
          #expect(refused == clients * each)
        }
        isOver.set()
        let meanwhile = try await good
        #expect(meanwhile.count > 3)
        #expect(try #require(meanwhile.max()) < clients * each / 4, "during the slowest three good requests")
        #expect(door.gate.failures == [Refusal(.signature).reason: clients * each])
        #expect(door.gate.load.delayed == 0 && door.gate.load.networks == clients)
        #expect(try Self.residentKilobytes() - before < 50_000)
        #expect(door.log.lines.count <= 2 * RefusalLog.lines)
      }
    }
  }

  /// Sends good credentials, three requests at a time.
  /// - Returns: how many bad ones were answered during each three: what is promised holds on a machine of any speed.
  private static func sendGood(_ door: Door, until isOver: Flag) async throws -> [Int] {
    func refused() -> Int { door.gate.failures.values.reduce(0, +) }
    var meanwhile: [Int] = []
    while !isOver.isSet {
      let before = refused()
      for field in [
        basic("old:key"), "Bearer " + Token.of("kirby@example.com"),
        "Bearer " + Token.of("new\(meanwhile.count)@example.com"),
      ] {
        #expect(try await door.get("/now", field).status == 200)
      }
      meanwhile.append(refused() - before)
      #expect(door.gate.load.networks <= 4096 && door.gate.load.delayed <= 100)
    }
    return meanwhile
  }

  /// How much memory this process has.
  private static func residentKilobytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    return Int(try #require(status.firstMatch(of: /VmRSS:\s+([0-9]+) kB/)).1) ?? 0
  }

  /// Sends bad tokens from an address of its own, some at a time.
  /// - Returns: how many were refused.
  private static func flood(_ door: Door, _ number: Int, _ count: Int) async throws -> Int {
    let client = try door.client(from: "127.0.2.\(number + 1)")
    return try await blocking {
      var refused = 0
      for batch in stride(from: 0, to: count, by: 50) {
        let fields = (batch..<(batch + 50)).map { "Bearer " + Token.forged(number << 32 + $0) }
        try client.send(fields.map { Door.request("/now", [$0]) }.joined())
        for _ in fields where [401, 429].contains(try client.reply().status) { refused += 1 }
      }
      return refused
    }
  }
}

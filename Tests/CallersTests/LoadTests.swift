import HTTP
import Logging
import Testing

@testable import Callers

@Suite("What callers have under way")
struct LoadTests {
  private func load(_ change: (inout LoadLimits) -> Void) -> Load {
    var limits = LoadLimits()
    change(&limits)
    return Load(limits: limits)
  }

  private func refusal(_ body: () throws -> Void) -> HTTPError? {
    do {
      try body()
      return nil
    } catch { return error as? HTTPError }
  }

  @Test("One more request of a caller than it may have is 429 with the limit, and others' go on")
  func requestsOfCaller() throws {
    let load = load { $0.requestsOfCaller = 2 }
    var held = [try load.begin("a"), try load.begin("a")]
    let refused = try #require(refusal { _ = try load.begin("a") })
    #expect(refused.status.code == 429 && refused.message.contains("2 requests in flight"))
    #expect(refused.headers["Retry-After"] != nil)
    _ = try load.begin("b")
    held.removeLast()
    _ = try load.begin("a")
  }

  @Test("One more request than all may have is 503; the service is never refused")
  func requests() throws {
    let load = load { $0.requests = 2 }
    let held = [try load.begin("a"), try load.begin("b")]
    #expect(refusal { _ = try load.begin("c") }?.status.code == 503)
    for _ in 0..<1000 { _ = try load.begin(nil) }
    withExtendedLifetime(held) {}
  }

  @Test("Bytes that wait are bounded alike; one answer of any size is sent")
  func bytes() throws {
    let load = load { ($0.answerBytes, $0.answerBytesOfCaller) = (1000, 500) }
    let first = try load.begin("a")
    try first.add(900)
    let second = try load.begin("a")
    let refused = try #require(refusal { try second.add(1) })
    #expect(refused.status.code == 429 && refused.message.contains("500 bytes") && refused.message.contains("900 wait"))
    #expect(refusal { try load.begin("b").add(200) }?.status.code == 503)
    let other = try load.begin("b")
    try other.add(100)
    let service = try load.begin(nil)
    try service.add(1_000_000)
    withExtendedLifetime([first, other, service]) {}
  }

  @Test("What has ended is not counted, and its caller is forgotten")
  func end() throws {
    let load = load { _ in }
    for _ in 0..<3 {
      let share = try load.begin("a")
      try share.add(10)
      #expect(load.requests == 1 && load.bytes == 10 && load.callers == 1)
      withExtendedLifetime(share) {}
    }
    #expect(load.requests == 0 && load.bytes == 0 && load.callers == 0)
  }

  @Test("Behind the gate it is requests that wait which count, and their own senders")
  func gate() async throws {
    let authenticator = try Authenticator(
      serviceKeys: ["upstream:s3cret"], verifier: Token.verifier(), userClaim: "email")
    let gate = Gate(
      authenticator: authenticator, load: load { $0.requestsOfCaller = 1 }, logger: Logger(label: "test"))
    func request(_ authorization: String) throws -> Request {
      try Request(method: "GET", target: "/", headers: ["Authorization": authorization])
    }
    let kirby = "Bearer " + Token.of("kirby@example.com")
    let mario = "Bearer " + Token.of("mario@example.com")
    // From then on they are known at once.
    for token in [kirby, mario] { _ = try await authenticator.caller(authorization: token) }
    func wait(_ authorization: String) throws -> Answer {
      try gate.admit(request(authorization)) { _, _ in .later { .text("waited") } }
    }
    let first = try wait(kirby)
    #expect(refusal { _ = try wait(kirby) }?.status.code == 429)
    // What is answered at once is not counted, and neither are the others refused.
    _ = try gate.admit(request(kirby)) { _, _ in .now(.text("short")) }
    let others = [try wait(mario)] + (try (0..<10).map { _ in try wait(basic("upstream:s3cret")) })
    // It is held by the answer until that is sent.
    guard case .later(let operation) = first else { return #expect(Bool(false)) }
    let response = try await operation()
    #expect(response.lease != nil)
    withExtendedLifetime(others) {}
  }
}

import HTTP
import Logging
import Synchronization
import Testing

@testable import Callers

@Suite("Room for an answer that is reserved before the work is done")
struct ReservationTests {
  private static let kirby = "kirby@example.com"

  private func gate(_ load: Load) async throws -> Gate {
    let authenticator = try Authenticator(
      serviceKeys: ["upstream:s3cret"], verifier: Token.verifier(), userClaim: "email")
    // From then on the token is known at once.
    _ = try await authenticator.caller(authorization: "Bearer " + Token.of(Self.kirby))
    return Gate(authenticator: authenticator, load: load, logger: Logger(label: "test"))
  }

  private func request() throws -> Request {
    try Request(method: "POST", target: "/", headers: ["Authorization": "Bearer " + Token.of(Self.kirby)])
  }

  private func load(bytes: Int) -> Load {
    var limits = LoadLimits()
    limits.answerBytesOfCaller = bytes
    return Load(limits: limits)
  }

  private func large(_ count: Int) -> Response { Response(body: .bytes(Array(repeating: 0, count: count))) }

  @Test("It is counted once, whatever is reserved meanwhile, and released when the answer is sent")
  func once() async throws {
    let load = load(bytes: 300_000)
    let gate = try await gate(load)
    let answer = try gate.admit(request()) { [self] _, caller in
      .later {
        let room = try gate.reserve(answerBytes: 100_000, for: caller)
        var response = large(100_000)
        response.lease = room
        return response
      }
    }
    guard case .later(let operation) = answer else { return #expect(Bool(false)) }
    var response: Response? = try await operation()
    #expect(load.bytes == 100_000 && response?.lease != nil)
    response = nil
    withExtendedLifetime(answer) {}
    #expect(load.bytes == 0)
  }

  @Test("An answer whose room is reserved is given, though others fill the rest before it", arguments: [true, false])
  func given(isReserved: Bool) async throws {
    let load = load(bytes: 300_000)
    let gate = try await gate(load)
    let others = Mutex<LoadShare?>(nil)
    let answer = try gate.admit(request()) { [self] _, caller in
      .later {
        var response = large(100_000)
        if isReserved { response.lease = try gate.reserve(answerBytes: 100_000, for: caller) }
        try others.withLock { $0 = try load.reserve(201_000 - (isReserved ? 1000 : 0), Self.kirby) }
        return response
      }
    }
    guard case .later(let operation) = answer else { return #expect(Bool(false)) }
    let response = try? await operation()
    #expect((response != nil) == isReserved)
  }

  @Test("What a handler leases besides is held until the answer is sent")
  func lease() async throws {
    final class Lease: Sendable {}
    let gate = try await gate(load(bytes: 300_000))
    weak var seen: Lease?
    let answer = try gate.admit(request()) { [self] _, _ in
      .later {
        var response = large(100_000)
        response.lease = Lease()
        return response
      }
    }
    guard case .later(let operation) = answer else { return #expect(Bool(false)) }
    let response = try await operation()
    seen = (response.lease as? Leases)?.all.compactMap { $0 as? Lease }.first
    #expect(seen != nil)
    withExtendedLifetime(response) {}
  }

  @Test("Bytes that are reserved are bounded like those of answers, and a caller with nothing left is forgotten")
  func bounds() throws {
    let load = load(bytes: 1000)
    var room: LoadShare? = try load.reserve(900, "a")
    #expect(throws: HTTPError.self) { try load.reserve(200, "a") }
    #expect(load.callers == 1 && load.requests == 0 && load.bytes == 900)
    _ = try load.begin("a")
    #expect(load.callers == 1 && load.bytes == 900)
    room = nil
    #expect(room == nil && load.callers == 0 && load.bytes == 0)
  }
}

import Testing

@testable import HTTP

@Suite("Bytes held for a client")
struct HeldBytesTests {
  private static let network = ClientNetwork(ipv4: 1)

  private static func request(_ caller: String? = nil) throws -> Request {
    try Request(method: "POST", target: "/", headers: caller.map { ["X-Caller": $0] } ?? [:])
  }

  /// Strangers name no caller.
  private static let judge: ClientStanding.Judge = { request in
    request.headers["X-Caller"].map { .known($0) } ?? .stranger
  }

  private static let limits: Limits = {
    var limits = Limits()
    limits.body = 100_000
    limits.unfinishedBodies = 1_600_000
    return limits
  }()

  @Test("What is counted is replaced, and a body in a handler counts until it is done")
  func counts() throws {
    let all = RequestBytes()
    var held = HeldBytes(all)
    func total() -> Int { all.use(by: .anybody)?.all ?? -1 }
    func count(_ body: Int, _ buffers: Int) -> Bool {
      held.count(body: body, buffers: buffers, of: nil, from: Self.network, by: nil)
    }
    #expect(count(1000, 10))
    #expect(total() == 1010 && held.isCounted(body: 1000, buffers: 10))
    #expect(!count(500, 0))
    held.handOver(500)
    #expect(!held.isCounted(body: 500, buffers: 0) && held.isCounted(body: 0, buffers: 0))
    #expect(!count(0, 0))
    #expect(total() == 500, "the handler has it")
    held.handlerEnded()
    #expect(!count(0, 0))
    #expect(total() == 0)
  }

  @Test("Strangers of one network, one known caller, and all together are bounded, each in its way")
  func refusals() throws {
    func refusal(_ caller: String?, _ body: Int, others: Int = 0, of sender: RequestBytes.Sender = .anybody) throws
      -> Int?
    {
      let all = RequestBytes()
      all.add(others, of: sender)
      var held = HeldBytes(all)
      _ = held.count(body: body, buffers: 0, of: try Self.request(caller), from: Self.network, by: Self.judge)
      return held.refusal(by: Self.limits)?.status.code
    }
    #expect(try refusal(nil, 200_000) == nil)
    #expect(try refusal(nil, 200_001) == 503, "an eighth for a network")
    #expect(try refusal("ann", 200_001) == 429, "an eighth for a caller")
    #expect(try refusal(nil, 1, others: 800_000, of: .strangers(ClientNetwork(ipv4: 256))) == 503, "half for strangers")
    #expect(try refusal("ann", 1, others: 1_600_000) == nil, "a short body has room")
    #expect(try refusal("ann", 70_000, others: 1_600_000) == 503)
  }

  @Test("Bytes stay those of the sender for whom they were counted first")
  func sender() throws {
    let all = RequestBytes()
    var held = HeldBytes(all)
    func count(_ body: Int, _ caller: String) throws {
      _ = held.count(body: body, buffers: 0, of: try Self.request(caller), from: Self.network, by: Self.judge)
    }
    try count(10, "ann")
    try count(30, "bob")
    #expect(all.use(by: .known("ann"))?.own == 30 && all.use(by: .known("bob"))?.own == 0)
    try count(0, "ann")
    try count(5, "bob")
    #expect(all.use(by: .known("ann"))?.own == 0 && all.use(by: .known("bob"))?.own == 5)
  }
}

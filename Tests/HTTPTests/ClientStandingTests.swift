import Testing

@testable import HTTP

@Suite("Standing of a client")
struct ClientStandingTests {
  private static let network = ClientNetwork(ipv4: 1)

  @Test("A client is a stranger of its network until a request of it is admitted")
  func admission() throws {
    let strangers = NetworkCounts()
    var client = ClientStanding(network: Self.network, strangers: strangers)
    client.enter()
    #expect(strangers.count(of: Self.network) == 1)
    let request = try Request(method: "GET", target: "/")
    client.noteAdmission(of: request.storage)
    #expect(!client.isKnown)
    request.note(caller: "ann")
    for _ in 0..<2 { client.noteAdmission(of: request.storage) }
    #expect(client.isKnown && strangers.count(of: Self.network) == 0)
    client.leave()
    #expect(strangers.count(of: Self.network) == 0)
  }

  @Test("A stranger who leaves is counted no more")
  func leaving() {
    let strangers = NetworkCounts()
    let client = ClientStanding(network: Self.network, strangers: strangers)
    client.enter()
    client.leave()
    #expect(strangers.count(of: Self.network) == 0)
  }

  @Test(
    "Before that, what a request's head says of its sender counts",
    arguments: [RequestSender.stranger, .known("a"), .trusted])
  func judged(as sender: RequestSender) throws {
    let client = ClientStanding(network: Self.network, strangers: NetworkCounts())
    let request = try Request(method: "GET", target: "/")
    #expect(client.isOfKnownSender(request) { _ in sender } == (sender != .stranger))
    #expect(!client.isOfKnownSender(nil) { _ in sender })
    #expect(!client.isOfKnownSender(request, by: nil))
  }
}

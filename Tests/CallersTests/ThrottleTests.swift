import Testing

@testable import Callers

@Suite("How failures are slowed and logged")
struct ThrottleTests {
  private let somewhere = Network(remoteAddress: "192.0.2.7:1")

  @Test("Ten failures are answered at once, then each waits longer, two seconds at most")
  func growing() {
    var throttle = Throttle()
    let delays = (0..<30).map { _ in throttle.failure(from: somewhere, at: .zero) }
    #expect(delays[..<10].allSatisfy { $0 == .zero })
    #expect(delays[10..<14] == [.milliseconds(200), .milliseconds(400), .milliseconds(600), .milliseconds(800)])
    #expect(delays[19...].allSatisfy { $0 == .seconds(2) })
  }

  @Test("A failure a second is forgiven")
  func forgiving() {
    var throttle = Throttle()
    for second in 0..<1000 {
      #expect(throttle.failure(from: somewhere, at: .seconds(second)) == .zero)
    }
    for _ in 0..<1000 { _ = throttle.failure(from: somewhere, at: .seconds(1000)) }
    #expect(throttle.failure(from: somewhere, at: .seconds(1005)) == .milliseconds(1200))
    #expect(throttle.failure(from: somewhere, at: .seconds(1020)) == .zero)
  }

  @Test("A clock that stands still or an instant of the past breaks nothing")
  func backwards() {
    var throttle = Throttle()
    _ = throttle.failure(from: somewhere, at: .seconds(100))
    #expect(throttle.failure(from: somewhere, at: .seconds(-100)) == .zero)
  }

  @Test("It is told whether a network is slowed, until enough was forgiven")
  func slowing() {
    var throttle = Throttle()
    #expect(!throttle.isSlowing(somewhere, at: .zero))
    for _ in 0..<10 { _ = throttle.failure(from: somewhere, at: .zero) }
    #expect(throttle.isSlowing(somewhere, at: .zero) && !throttle.isSlowing(somewhere, at: .seconds(1)))
    #expect(!throttle.isSlowing(Network(remoteAddress: "192.0.2.8:1"), at: .zero))
  }

  @Test("One network's failures do not slow another")
  func apart() {
    var throttle = Throttle()
    for _ in 0..<100 { _ = throttle.failure(from: somewhere, at: .zero) }
    #expect(throttle.failure(from: Network(remoteAddress: "192.0.2.8:1"), at: .zero) == .zero)
  }

  @Test("The table is bounded, and those who fail now stay in it")
  func bounded() {
    var throttle = Throttle(capacity: 4096)
    for number in 0..<100_000 {
      _ = throttle.failure(
        from: Network(remoteAddress: "10.\(number >> 16).\(number >> 8 & 255).\(number & 255):1"), at: .zero)
      if number % 1000 == 0 { _ = throttle.failure(from: somewhere, at: .zero) }
      #expect(throttle.count <= 4096)
    }
    #expect(throttle.failure(from: somewhere, at: .zero) == .seconds(2))
  }

  @Test(
    "Which addresses count as one",
    arguments: [
      ("192.0.2.7:1", "192.0.2.7:65535", true), ("192.0.2.7:1", "192.0.2.8:1", false),
      ("[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff:ffff:ffff:ffff]:9", true),
      ("[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", false), ("[::ffff:192.0.2.7]:1", "192.0.2.7:1", true),
      ("[fe80::1%eth0]:1", "[fe80::2]:1", true), ("[::1]:1", "0.0.0.0:1", false), ("", "nonsense", true),
      ("", "0.0.0.0:1", false),
    ])
  func networks(one: String, other: String, same: Bool) {
    #expect((Network(remoteAddress: one) == Network(remoteAddress: other)) == same)
  }

  @Test(
    "How a network is written",
    arguments: [
      ("192.0.2.7:1", "192.0.2.7"), ("[2001:db8:0:1::5]:80", "2001:db8:0:1::/64"),
      ("[::ffff:10.1.2.3]:1", "10.1.2.3"), ("?", "unknown"),
    ])
  func written(address: String, text: String) {
    #expect(Network(remoteAddress: address).description == text)
  }

  @Test("Five lines a minute for a network, a hundred for all, the rest in one")
  func lines() {
    var log = RefusalLog()
    let first = log.refusal(of: somewhere)
    #expect(first.isLogged && first.beginsMinute)
    let more = (0..<9).map { _ in log.refusal(of: somewhere) }
    #expect(more.count { $0.isLogged } == 4 && !more.contains { $0.beginsMinute })
    let others = (0..<200).map { log.refusal(of: Network(remoteAddress: "10.0.0.\($0):1")) }
    #expect(others.count { $0.isLogged } == 95)
    let summary = log.close()
    #expect(summary?.refusals == 5 + 105 && summary?.busiest.first == "192.0.2.7 (10)" && summary?.busiest.count == 5)
    #expect(log.close() == nil)
    #expect(log.refusal(of: somewhere) == (true, true))
    #expect(log.close() == nil, "nothing was left out")
  }

  @Test("The log's count of networks is bounded")
  func boundedLog() {
    var log = RefusalLog()
    for number in 0..<10_000 { _ = log.refusal(of: Network(remoteAddress: "10.1.\(number >> 8).\(number & 255):1")) }
    #expect(log.networks == RefusalLog.maximumNetworks)
    #expect(log.close()?.refusals == 9900)
  }
}

import Testing

@testable import GPUConnector

@Suite("What is known of a server")
struct ServerStatusTests {
  @Test(
    "A look counts the longer the more it costs",
    arguments: [
      (2, 0, true), (2, 9, true), (2, 11, false), (18, 20, true), (18, 53, true), (18, 55, false), (0, 9, true),
    ])
  func patience(interval: Int, age: Int, counts: Bool) {
    let now = ContinuousClock.now
    var status = ServerStatus()
    #expect(!status.isCurrent(least: .seconds(10), at: now))
    status.lastLook = now - .seconds(age)
    status.lookInterval = .seconds(interval)
    #expect(status.isCurrent(least: .seconds(10), at: now) == counts)
    status.failure = "connection refused"
    #expect(!status.isCurrent(least: .seconds(10), at: now))
  }
}

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

  @Test("Damage is told once, and forgotten with its job")
  func damage() throws {
    let (one, two) = ("01J00000000000000000000001", "01J00000000000000000000002")
    let ids = [one, two].map { AttemptID(job: $0, number: 1) }
    func answer(_ states: [String]) throws -> SweepAnswer {
      let lines = ["now 5", "boot b", "owner unasked"] + zip([one, two], states).map { "\($0) 1 \($1)" }
      return try SweepAnswer(Array(lines.map { $0 + "\n" }.joined().utf8), asked: ids, asksSMI: false)
    }
    var status = ServerStatus()
    #expect(status.damageWords == nil)
    let damaged = try answer(["damaged start 7,8", "absent"])
    let new = status.noteDamage(damaged, known: Set(ids))
    #expect(new[ids[0]]?.contains("'start' on the server is damaged") == true && new.count == 1)
    #expect(new[ids[0]]?.hasSuffix("processes that live: 2") == true)
    let again = status.noteDamage(damaged, known: Set(ids))
    #expect(again.isEmpty && status.damageWords?.contains(one) == true)
    _ = status.noteDamage(damaged, known: [ids[1]])
    #expect(status.damageWords == nil)
    _ = status.noteDamage(damaged, known: Set(ids))
    _ = status.noteDamage(try answer(["absent", "damaged directory -"]), known: Set(ids))
    #expect(status.damaged.keys.map(\.job) == [two])
  }
}

import Foundation
import Testing

@testable import GPUConnector

@Suite("What was seen of attempts before")
struct AttemptHistoryTests {
  private let one = AttemptID(job: "A", number: 1)
  private let two = AttemptID(job: "B", number: 1)

  @Test("Only where it was seen to run is an attempt that names another machine")
  func machines() throws {
    let history = AttemptHistory()
    let start = try #require(StartRecord("7 8 b 5".split(separator: " "), now: Date()))
    let forged = AttemptState.elsewhere(machine: "x@y-2")
    #expect(history.corrected(forged, of: one, on: nil) == forged)
    func corrected(_ state: AttemptState, of attempt: AttemptID) -> AttemptState {
      history.corrected(state, of: attempt, on: "alpha@a-1")
    }
    for state in [forged, .claimed, .absent, .gone, .damaged("start", pids: [9])] {
      #expect(corrected(state, of: one) == state)
    }
    #expect(corrected(forged, of: one) == forged)
    for state in [AttemptState.running(start), .suspended(start), .orphaned(start, pids: [9])] {
      #expect(corrected(state, of: one) == state)
    }
    #expect(corrected(forged, of: one) == .gone)
    #expect(corrected(forged, of: two) == forged)
    // The address leads to another machine now, which knows nothing of it.
    let elsewhere = AttemptState.elsewhere(machine: "alpha@a-1")
    #expect(history.corrected(elsewhere, of: one, on: "alpha@b-2") == elsewhere)
  }

  @Test("A start that was answered counts as seen, until its job is forgotten")
  func start() {
    let history = AttemptHistory()
    let elsewhere = AttemptState.elsewhere(machine: "x@y-2")
    for attempt in [one, two] { history.noteRun(of: attempt, on: "alpha@a-1") }
    history.keep([one])
    #expect(history.corrected(elsewhere, of: one, on: "alpha@a-1") == .gone)
    #expect(history.corrected(elsewhere, of: two, on: "alpha@a-1") == elsewhere)
  }

  @Test("An attempt that has begun nothing is so since it was first seen without a break")
  func claims() {
    let history = AttemptHistory()
    let now = ContinuousClock.now
    #expect(history.noteClaim(of: one, at: now) == .zero)
    #expect(history.noteClaim(of: one, at: now + .seconds(7)) == .seconds(7))
    #expect(history.noteClaim(of: two, at: now + .seconds(8)) == .zero)
    history.endClaim(of: one)
    history.keep([one])
    #expect(history.noteClaim(of: one, at: now + .seconds(9)) == .zero)
    #expect(history.noteClaim(of: two, at: now + .seconds(9)) == .zero)
  }
}

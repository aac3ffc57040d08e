import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("How polling goes")
struct PollStateTests {
  let clock = ManualClock()
  let polls: PollState

  init() { polls = PollState(clock: clock.clock()) }

  @Test("A failure is new once, and is over with the next complete poll")
  func failures() {
    #expect(polls.failure == PollState.firstUnderWay)
    #expect(polls.failed("down"))
    #expect(!polls.failed("down") && polls.failed("still down") && polls.failure == "still down")
    #expect(polls.completed(began: clock.now, at: clock.date, inFull: true) == "still down")
    #expect(polls.failure == nil && polls.status.unbroken && polls.status.lastCompleteTime == clock.date)
    #expect(polls.completed(began: clock.now, at: clock.date, inFull: false) == nil)
    #expect(!polls.status.unbroken && polls.status.accountingFailed == clock.now)
  }

  @Test("Accounting that did not answer is spared for half a minute, questions for lost jobs are a minute apart")
  func spared() {
    #expect(polls.status.mayAskForLost(at: clock.now))
    polls.askForLost(at: clock.now)
    #expect(!polls.status.mayAskForLost(at: clock.now + .seconds(60)))
    #expect(polls.status.mayAskForLost(at: clock.now + .seconds(61)))
    _ = polls.completed(began: clock.now, at: clock.date, inFull: false)
    #expect(!polls.status.mayAskAccounting(at: clock.now + .seconds(30)))
    #expect(polls.status.mayAskAccounting(at: clock.now + .seconds(31)))
  }

  @Test("While nobody asks a pause is long; who asks ends it", .timeLimit(.minutes(1)))
  func idle() async {
    #expect(!polls.isIdle(after: .seconds(15)))
    clock.pass(16)
    #expect(polls.isIdle(after: .seconds(15)))
    async let pause: Void = polls.pause(for: .seconds(3600))
    await clock.sleepers(1)
    polls.noteAsked()
    await pause
    #expect(!polls.isIdle(after: .seconds(15)))
  }
}

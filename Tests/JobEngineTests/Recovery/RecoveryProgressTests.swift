import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("What is left to be recovered")
struct RecoveryProgressTests {
  @Test("The search for what the store lacks begins before its last submit, whatever clock that was written by")
  func recall() {
    let truth = Date(timeIntervalSince1970: 1_800_000_000)
    for step in [-3600, 0, 120, 3600] as [TimeInterval] {
      for later in [-3600, 0, 120, 3600] as [TimeInterval] {
        let begin = RecoveryProgress.begin(now: truth + later, lastSubmit: truth + step, interval: 86_400)
        #expect(begin <= truth - 3600 && begin >= truth - 5 * 3600)
      }
    }
    #expect(RecoveryProgress.begin(now: truth, lastSubmit: nil, interval: 86_400) == truth - 86_400)
    #expect(RecoveryProgress.begin(now: truth, lastSubmit: truth - 1_000_000, interval: 86_400) == truth - 86_400)
  }

  @Test("Submits wait for the first poll and for the records, and for these no longer than their patience")
  func awaited() {
    let clock = ManualClock()
    let progress = RecoveryProgress(clock: clock.clock())
    #expect(progress.awaited(patience: .seconds(600)) == nil, "nothing is recovered")
    progress.begin(since: .distantPast)
    #expect(progress.awaited(patience: .seconds(600)) == PollState.firstUnderWay)
    progress.polled(strangers: ["5 T"])
    #expect(progress.strangers == ["5 T"])
    #expect(progress.awaited(patience: .seconds(600))?.hasPrefix("the records of ended jobs") == true)
    #expect(progress.failedToSearch("down") && !progress.failedToSearch("down"))
    clock.pass(600)
    #expect(progress.awaited(patience: .seconds(600)) == nil && progress.failure == "down")
    progress.searchedRecords()
    #expect(progress.unsearchedSince == nil && progress.failure == nil)
  }

  @Test("The backend is asked for an unknown job once a minute, and for a hundred of them")
  func unknown() {
    let clock = ManualClock()
    let progress = RecoveryProgress(clock: clock.clock())
    #expect(progress.mayAsk(for: "job/1") && !progress.mayAsk(for: "job/1"))
    progress.failedToAsk(for: "job/1")
    #expect(progress.mayAsk(for: "job/1"))
    for number in 2...100 { #expect(progress.mayAsk(for: "job/\(number)")) }
    #expect(!progress.mayAsk(for: "job/101"))
    clock.pass(60)
    #expect(progress.mayAsk(for: "job/101") && progress.mayAsk(for: "job/1"))
  }
}

import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("Tries with back-off")
struct RetriesTests {
  let bench = Bench()
  let clock = ManualClock()

  private func jobs(_ count: Int) -> [Job] {
    (0..<count).map {
      Job(bench.submission("job\($0)"), fingerprint: "f", connector: bench.connector, clock: clock.clock())
    }
  }

  @Test("A job's turn comes at once, then after pauses that double up to the longest")
  func pauses() {
    let retries = Retries(longestPause: .seconds(8), clock: clock.clock())
    let jobs = jobs(1)
    var tried: [Int] = []
    for second in 0..<40 {
      if !retries.due(jobs, first: .seconds(2), limit: 1).isEmpty { tried.append(second) }
      clock.pass(1)
    }
    #expect(tried == [0, 2, 6, 14, 22, 30, 38])
  }

  @Test("Of many the longest due have their turn first")
  func many() {
    let retries = Retries(longestPause: .seconds(8), clock: clock.clock())
    let jobs = jobs(5)
    var tried: [JobID] = []
    for _ in 0..<3 {
      tried += retries.due(jobs, first: .seconds(100), limit: 2).map(\.id)
      clock.pass(1)
    }
    #expect(tried.count == 5 && Set(tried) == Set(jobs.map(\.id)))
  }

  @Test("A job that was resolved in between begins again")
  func forgotten() {
    let retries = Retries(longestPause: .seconds(8), clock: clock.clock())
    let jobs = jobs(1)
    #expect(retries.due(jobs, first: .seconds(2), limit: 1) == jobs)
    #expect(retries.due(jobs, first: .seconds(2), limit: 1).isEmpty)
    #expect(retries.due([], first: .seconds(2), limit: 1).isEmpty)
    #expect(retries.due(jobs, first: .seconds(2), limit: 1) == jobs)
  }
}

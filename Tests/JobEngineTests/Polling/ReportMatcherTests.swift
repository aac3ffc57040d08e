import ConnectorAPI
import Foundation
import Testing

@testable import JobEngine
@testable import JobModel

@Suite("Which report is of which job")
struct ReportMatcherTests {
  let bench = Bench()

  @Test("A job whose id was learnt between two pages is not the copy of its tag that the poll has shown")
  func identified() {
    var job = Job(bench.submission(), fingerprint: "f", connector: bench.connector, now: Date())
    job.lifecycle = .running
    var copy = bench.report(job, .failed, .failed)
    copy.backendID = "99"
    let matcher = ReportMatcher(Snapshot(time: Date(), reports: [copy]), asked: [job.id])
    #expect(matcher.change(of: job, shownBy: copy)?.after.state == .failed)
    job.backendID = "7"
    #expect(matcher.change(of: job, shownBy: copy) == nil)
  }
}

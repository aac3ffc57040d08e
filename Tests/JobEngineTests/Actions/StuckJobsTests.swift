import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("Jobs that do not go on")
struct StuckJobsTests {
  let bench = Bench()
  let clock = ManualClock()
  let key = JobKey(name: "job", number: 1)

  init() { bench.configuration.clock = clock.clock() }

  @Test("Many stuck jobs are counted, the oldest are named")
  func many() async throws {
    bench.connector.change { $0.submit = { submission, _ in submission.name } }
    let service = try bench.service()
    for number in 1...30 { _ = try await service.submit(bench.submission("job\(number)"), actor: "test") }
    bench.connector.observes(accountingFailure: "slurmdbd is down")
    _ = await service.poller.poll()
    clock.pass(130)
    _ = await service.poller.poll()
    #expect(service.warnings.count == 21 && service.warnings.last == "and 10 more jobs like these")
  }
}

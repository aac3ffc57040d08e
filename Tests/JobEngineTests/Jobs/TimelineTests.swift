import Foundation
import Testing

@testable import JobEngine
@testable import JobModel

@Suite("Moments in a job's life")
struct TimelineTests {
  let begin = Date(timeIntervalSince1970: 1_800_000_000)
  let bench = Bench()

  private func submitted(_ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    return try #require(service.recent(bench.submission().key))
  }

  @Test(
    "A code is asked for ten minutes in which accounting can answer, within a day",
    arguments: [
      (3, 1000, false), (10, 1000, true), (500, 1000, true), (700, 1000, false), (700, 100, true), (80_000, 100, true),
      (90_000, 100, false),
    ] as [(TimeInterval, TimeInterval, Bool)])
  func codes(ended: TimeInterval, accounted: TimeInterval, asks: Bool) async throws {
    var job = try await submitted(try bench.service())
    (job.lifecycle, job.endedAt) = (.ended(.failed), begin)
    let now = ContinuousClock.now
    let timeline = Timeline(known: now - .seconds(ended))
    #expect(timeline.lacksExitCode(job, at: now, accountingSince: now - .seconds(accounted)) == asks)
  }
}

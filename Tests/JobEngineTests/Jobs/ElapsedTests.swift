import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("How long a job ran")
struct ElapsedTests {
  let bench = Bench()

  @Test("Is as it was seen last where nothing says it of the end", arguments: [Outcome.lost, .nodeFailure, .canceled])
  func kept(outcome: Outcome) async throws {
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    try await look(service, job, .running, seconds: 61)
    try await look(service, job, outcome.state, outcome, seconds: 0)
    #expect(service.recent(job.key)?.elapsed == 61)
    #expect(try await service.ledger.store.job(job.key)?.elapsed == 61)
  }

  @Test("Is known to a sixth after a restart, and written ever less often", arguments: [0, 1, 9, 61, 3600, 400_000])
  func restart(seconds: Int) async throws {
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    for past in [0, 1, 2, 4, 8, 60, 61, 3500, 3600, 390_000, 400_000] where past <= seconds {
      try await look(service, job, .running, seconds: past)
    }
    let restarted = try bench.service()
    try await restarted.ledger.load()
    try await look(restarted, job, .lost, .lost, seconds: 0)
    let elapsed = try #require(restarted.recent(job.key)).elapsed
    #expect(elapsed <= seconds && elapsed >= seconds * 5 / 6)
  }

  private func look(
    _ service: JobService, _ job: Job, _ state: JobState, _ outcome: Outcome? = nil, seconds: Int
  ) async throws {
    var report = bench.report(job, state, outcome)
    (report.elapsed, report.startedAt) = (seconds, Date(timeIntervalSince1970: 1_800_000_000))
    bench.connector.observes(report)
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == state)
  }
}

import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("Exit codes that a backend reports later than the ends are learnt, however many jobs end at once")
struct ExitCodeTests {
  let bench = Bench(connector: LateScriptedConnector())
  let clock = ManualClock()
  let names = (0..<7).map { "job\($0)" }

  init() {
    bench.configuration.clock = clock.clock()
    bench.configuration.recentCount = 2
    bench.connector.change {
      $0.submit = { submission, _ throws(BackendError) in String(submission.name.dropFirst(3)) }
    }
  }

  private func submitted(_ service: JobService) async throws -> [Job] {
    try await service.ledger.load()
    var jobs: [Job] = []
    for name in names {
      _ = try await service.submit(bench.submission(name), actor: "test")
      jobs.append(try #require(service.recent(JobKey(name: name, number: 1))))
    }
    return jobs
  }

  private func observe(_ service: JobService, _ jobs: [Job], code: Int?) async {
    let reports = jobs.map { job in
      var report = bench.report(job, .failed, .failed)
      (report.lifecycle, report.endedAt) = (.ended(Outcome(.failed, exitCode: code)), clock.date)
      return report
    }
    bench.connector.change { [clock] in $0.observation = .success(.init(time: clock.date, reports: reports)) }
    _ = await service.poller.poll()
  }

  private func codes(_ service: JobService) async throws -> [Int?] {
    var codes: [Int?] = []
    for name in names { codes.append(try await service.find(JobKey(name: name, number: 1))?.outcome?.exitCode) }
    return codes
  }

  @Test("While Weir runs, and after a restart", arguments: [false, true])
  func allAtOnce(isRestarted: Bool) async throws {
    var service = try bench.service()
    let jobs = try await submitted(service)
    await observe(service, jobs, code: nil)
    if isRestarted {
      service = try bench.service()
      try await service.ledger.load()
    }
    clock.pass(10)
    await observe(service, jobs, code: 3)
    #expect(Set(bench.connector.script.withLock { $0.asked }) == Set(names))
    #expect(try await codes(service) == names.map { _ in 3 })
  }

  @Test("What is known in full leaves memory, and so does what was asked for long enough")
  func leaving() async throws {
    let service = try bench.service()
    let jobs = try await submitted(service)
    await observe(service, Array(jobs.prefix(4)), code: nil)
    clock.pass(10)
    await observe(service, Array(jobs.prefix(4)), code: 3)
    // One after the other: which of two ends of one poll is the later one is not defined.
    for job in jobs[4...5] { await observe(service, [job], code: nil) }
    #expect(names.prefix(4).allSatisfy { service.recent(JobKey(name: $0, number: 1)) == nil })
    clock.pass(601)
    await observe(service, [jobs[6]], code: nil)
    #expect(service.recent(jobs[4].key) == nil && service.recent(jobs[5].key) != nil)
  }
}

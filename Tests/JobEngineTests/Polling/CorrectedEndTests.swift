import Foundation
import JobModel
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("A lost job that turns up")
struct CorrectedEndTests: VanishingJobs {
  let bench = Bench()
  let clock = ManualClock()

  init() { prepare() }

  @Test(
    "A lost job that is seen again lives on, by an event of its own, also after a restart", arguments: [false, true])
  func corrected(isRestarted: Bool) async throws {
    bench.configuration.recentCount = 1
    var service = try bench.service()
    let job = try await lost(service)
    // Others end meanwhile.
    for name in ["other", "others"] {
      _ = try await service.submit(bench.submission(name), actor: "test")
      show([bench.report(try #require(service.recent(bench.submission(name).key)), .succeeded, .succeeded)])
      await poll(service)
    }
    if isRestarted {
      service = try bench.service()
      try await service.ledger.load()
    }
    show([bench.report(job, .running)])
    await poll(service)
    let found = try #require(service.recent(job.key))
    #expect(found.state == .running && found.outcome == nil && found.endedAt == nil)
    #expect(found.reason.hasPrefix("found again: it was lost since"))
    #expect(try service.list(.running).jobs.map(\.id) == [job.backendID ?? ""])
    #expect(try await service.ledger.store.retention(of: job.id) == nil, "its output stays")
    var end = bench.report(job, .succeeded, .succeeded)
    end.lifecycle = .ended(Outcome(.succeeded, exitCode: 0))
    show([end])
    bench.connector.change { $0.output = Array("whole".utf8) }
    await poll(service)
    let over = try #require(service.recent(job.key))
    #expect(over.state == .succeeded)
    #expect(try await service.finalOutput(over) == Array("whole".utf8))
    #expect(try await service.toldEnd(of: over) == nil)
    #expect(try await service.ledger.store.retention(of: job.id)?.due != nil)
    let events = try service.ledger.store.events(of: job.id)
    #expect(events.map(\.to) == [.submitting, .queued, .running, .lost, .running, .succeeded])
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("The true end of a lost job is told when accounting knows it")
  func endedAfterAll() async throws {
    let service = try bench.service()
    let job = try await lost(service)
    clock.pass(60)
    _ = await service.poller.poll()
    #expect(bench.connector.script.withLock { $0.asked } == ["job"], "it is asked about, now and then")
    _ = await service.poller.poll()
    #expect(bench.connector.script.withLock { $0.asked } == [])
    var end = bench.report(job, .failed, .nodeFailure)
    end.source = "sacct"
    show([end])
    await poll(service)
    #expect(service.recent(job.key)?.outcome == .nodeFailure)
    #expect(service.recent(job.key)?.reason.hasPrefix("found again") == true)
    #expect(try await service.ledger.store.retention(of: job.id)?.due != nil)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }
}

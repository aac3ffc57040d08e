import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("A cancel of a job that is lost")
struct CancelRequestsTests: VanishingJobs {
  let bench = Bench()
  let clock = ManualClock()

  init() { prepare() }

  @Test("A job that turns up while its cancel is on its way is canceled, in memory and on disk")
  func turnsUpWhileCanceled() async throws {
    let service = try bench.service()
    let job = try await lost(service)
    let (report, time) = (bench.report(job, .running), clock.date)
    bench.connector.change { $0.meanwhile = { await service.reconciler.apply([job.id: report], at: time) } }
    try await service.cancel(job, actor: "kirby")
    #expect(service.recent(job.key)?.state == .canceling)
    #expect(try await service.ledger.store.job(job.key)?.state == .canceling)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("A cancel of a lost job reaches the backend, and holds when the job turns up")
  func canceled() async throws {
    let service = try bench.service()
    let job = try await lost(service)
    bench.connector.change { $0.cancelFailure = .unavailable("no route") }
    await #expect(throws: JobError.unavailable("no route")) { try await service.cancel(job, actor: "kirby") }
    bench.connector.change { $0.cancelFailure = .notFound("no such job") }
    try await service.cancel(job, actor: "kirby")
    bench.connector.change { $0.cancelFailure = nil }
    try await service.cancel(job, actor: "kirby")
    #expect(bench.connector.script.withLock { $0.cancels } == 3)
    #expect(service.recent(job.key)?.state == .lost)
    let notes = try service.ledger.store.events(of: job.id).filter {
      $0.reason == "canceled by kirby, though it is lost"
    }
    #expect(notes.count == 1)
    show([bench.report(job, .running)])
    await poll(service)
    #expect(service.recent(job.key)?.state == .canceling)
    #expect(service.recent(job.key)?.reason == "canceled by kirby while it was lost")
    show([bench.report(job, .canceled, .canceled)])
    await poll(service)
    #expect(service.recent(job.key)?.state == .canceled)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }
}

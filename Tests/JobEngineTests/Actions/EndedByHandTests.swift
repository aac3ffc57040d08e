import ConnectorAPI
import Foundation
import JobStore
import Testing

@testable import JobEngine
@testable import JobModel
@testable import JobStoreSQLite

@Suite("Jobs that an administrator ends")
struct EndedByHandTests {
  let bench = Bench()
  let clock = ManualClock()
  let key = JobKey(name: "job", number: 1)

  init() { bench.configuration.clock = clock.clock() }

  private func running(_ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(key))
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    return try #require(service.recent(key))
  }

  private func poll(_ service: JobService, after seconds: TimeInterval) async {
    clock.pass(seconds)
    _ = await service.poller.poll()
  }

  /// Ends the job in the store of a service that is over, and starts another on it.
  private func ended(_ service: JobService, _ reference: String = "job/1") async throws -> JobService {
    _ = try service.ledger.sqlite.end(
      JobReference(reference), actor: "root", reason: "s1 was scrapped", at: clock.date, keepingOutputFor: 100)
    let restarted = try bench.service()
    try await restarted.ledger.load()
    return restarted
  }

  @Test(
    "An administrator ends a job, by any of its names; the history says who and why",
    arguments: [{ $0.id.rawValue }, { $0.backendID ?? "" }, { $0.submissionToken }, { $0.key.description }]
      as [@Sendable (Job) -> String])
  func endedByHand(name: @Sendable (Job) -> String) async throws {
    let first = try bench.service()
    let job = try await running(first)
    let service = try await ended(first, name(job))
    let over = try #require(service.recent(key))
    #expect(
      over.state == .canceled && over.outcome?.cause == .canceledByAdmin && over.contact.source == "administrator")
    #expect(over.reason == "ended by root: s1 was scrapped")
    let event = try #require(try service.ledger.store.events(of: job.id).last)
    #expect(event.actor == "root" && event.source == "administrator" && event.reason.contains("s1 was scrapped"))
    #expect(try await service.ledger.store.retention(of: job.id)?.due != nil)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
    for wrong in ["job/2", "nothing", "job/1"] {
      #expect(throws: StoreError.self) {
        try service.ledger.sqlite.end(
          JobReference(wrong), actor: "root", reason: "x", at: clock.date, keepingOutputFor: 1)
      }
    }
  }

  @Test("An id that several jobs have ends none of them")
  func ambiguous() async throws {
    let service = try bench.service()
    for name in ["one", "two"] { _ = try await service.submit(bench.submission(name), actor: "test") }
    let error = #expect(throws: StoreError.self) {
      try service.ledger.sqlite.end(JobReference("1"), actor: "root", reason: "x", at: clock.date, keepingOutputFor: 1)
    }
    #expect(error?.description.contains("one/1, two/1") == true)
  }

  @Test("What the backend shows later corrects an end made by hand")
  func seenAlive() async throws {
    let first = try bench.service()
    let job = try await running(first)
    let service = try await ended(first)
    bench.connector.observes(bench.report(job, .running))
    await poll(service, after: 2)
    #expect(service.recent(key)?.state == .running)
    #expect(service.recent(key)?.reason.hasPrefix("found again: it was canceled since") == true)
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    await poll(service, after: 2)
    #expect(service.recent(key)?.state == .succeeded)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("An end that is the same is not corrected")
  func seenCanceled() async throws {
    let first = try bench.service()
    let job = try await running(first)
    let service = try await ended(first)
    bench.connector.observes(bench.report(job, .canceled, .canceled))
    await poll(service, after: 2)
    #expect(service.recent(key)?.reason == "ended by root: s1 was scrapped")
  }

  @Test("A submit in doubt that was ended by hand is sent again only where the backend does not have it")
  func inDoubt() async throws {
    let first = try bench.service()
    bench.connector.change {
      $0.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
      $0.located = .failure(.unavailable("its key is refused"))
    }
    _ = try? await first.submit(bench.submission(), actor: "test")
    let service = try await ended(first)
    bench.connector.change { $0.submit = { _, _ in "8" } }
    await #expect(throws: JobError.self) { try await service.submit(bench.submission(), actor: "test") }
    bench.connector.change { $0.located = .success(nil) }
    #expect(try await service.submit(bench.submission(), actor: "test").backendID == "8")
  }
}

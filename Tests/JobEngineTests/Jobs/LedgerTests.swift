import ConnectorAPI
import Foundation
import GRDB
import JobModel
import Synchronization
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("The ledger")
struct LedgerTests {
  let bench = Bench()

  @Test("A restarted service knows its jobs")
  func restart() async throws {
    let first = try bench.service()
    _ = try await first.submit(bench.submission("a"), actor: "test")
    bench.connector.change { $0.submit = { _, _ in "2" } }
    _ = try await first.submit(bench.submission("b"), actor: "test")
    let job = try #require(first.recent(bench.submission("a").key))
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await first.poller.poll()
    let second = try bench.service()
    try await second.start()
    #expect(second.recent(bench.submission("a").key)?.state == .succeeded)
    #expect(second.recent(bench.submission("b").key)?.backendID == "2")
    await second.stop()
  }

  @Test("A job that ended long ago leaves memory and is found on disk")
  func longAgo() async throws {
    bench.configuration.recentCount = 0
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
    bench.connector.observes()
    _ = await service.poller.poll()
    #expect(service.recent(job.key) == nil)
    #expect(try await service.find(job.key)?.state == .succeeded)
  }

  @Test("What somebody else has written counts, and an answer to an older question changes nothing")
  func stale() async throws {
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    let published = Mutex<[JobState]>([])
    service.bus.subscribe { change in published.withLock { $0 += change.events.map(\.to) } }
    try await service.ledger.sqlite.database.write { db in
      try db.execute(
        sql: "UPDATE job SET reason = 'by another', version = version + 1 WHERE id = ?", arguments: [job.id])
    }
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    let known = try #require(service.recent(job.key))
    #expect(known.reason == "by another" && known.state == .queued && published.withLock { $0 } == [])
    #expect(try service.ledger.store.events(of: job.id).map(\.to) == [.submitting, .queued])
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .running && published.withLock { $0 } == [.running])
  }

  @Test("A change that the store does not take is dropped alone")
  func unstorable() async throws {
    let service = try bench.service()
    for (name, id) in [("good", "1"), ("bad", "2")] {
      bench.connector.change { $0.submit = { _, _ in id } }
      _ = try await service.submit(bench.submission(name), actor: "test")
    }
    try await service.ledger.sqlite.database.write { db in
      try db.execute(
        sql: """
          CREATE TRIGGER odd BEFORE UPDATE ON job WHEN OLD.name = 'bad' BEGIN SELECT raise(ABORT, 'odd'); END
          """)
    }
    let jobs = try ["good", "bad"].map { try #require(service.recent(bench.submission($0).key)) }
    bench.connector.observes(bench.report(jobs[0], .running), bench.report(jobs[1], .running))
    _ = await service.poller.poll()
    #expect(try jobs.map { try service.ledger.store.job($0.id)?.state } == [.running, .queued])
    #expect(jobs.allSatisfy { service.recent($0.key)?.state == .running } && service.storeTrouble == nil)
  }

  @Test("A try that the backend refuses gives the name back to the one before")
  func refused() async throws {
    bench.configuration.submitDeadline = 0
    let service = try bench.service()
    bench.connector.change { $0.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") } }
    _ = try? await service.submit(bench.submission(), actor: "test")
    let first = try #require(service.recent(bench.submission().key))
    #expect(first.state == .failed)
    bench.connector.change { $0.submit = { _, _ throws(BackendError) in throw .refused("no") } }
    for _ in 0..<2 {
      await #expect(throws: JobError.self) { try await service.submit(bench.submission(), actor: "test") }
      #expect(service.recent(first.key)?.id == first.id && service.recent(first.key)?.replacedBy == nil)
    }
    let restarted = try bench.service()
    try await restarted.ledger.load()
    #expect(restarted.recent(first.key)?.id == first.id)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("The bus carries each recorded change once, as the store has it, and nothing before it is shown")
  func published() async throws {
    let service = try bench.service()
    let events = Mutex<[JobEvent]>([])
    let subscription = service.bus.subscribe { change in
      #expect(service.recent(change.job.key) == change.job)
      events.withLock { $0 += change.events }
    }
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    for (state, outcome) in [(.running, nil), (.running, nil), (.succeeded, .succeeded)] as [(JobState, Outcome?)] {
      bench.connector.observes(bench.report(job, state, outcome))
      _ = await service.poller.poll()
    }
    let published = events.withLock { $0 }
    let stored = try service.ledger.store.events(of: job.id)
    #expect(published.map(\.to) == [.submitting, .queued, .running, .succeeded])
    #expect(published.map(\.to) == stored.map(\.to) && published.map(\.actor) == stored.map(\.actor))
    subscription.cancel()
  }
}

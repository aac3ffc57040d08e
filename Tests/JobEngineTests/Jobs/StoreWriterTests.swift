import ConnectorAPI
import Foundation
import GRDB
import JobModel
import Synchronization
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("A store that cannot be written", .timeLimit(.minutes(5)))
struct UnwritableStoreTests {
  let bench = Bench()
  let clock = ManualClock()

  init() { bench.configuration.clock = clock.clock() }

  private func allowWrites(_ allowed: Bool, _ service: JobService) async throws {
    try await service.ledger.sqlite.database.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA query_only = \(allowed ? 0 : 1)")
    }
  }

  private func healed(_ service: JobService) async throws {
    // The store is tried once a second.
    if service.storeTrouble != nil {
      await clock.sleepers(1)
      clock.pass(1)
      await eventually { service.storeTrouble == nil }
    }
    #expect(service.storeTrouble == nil)
  }

  @Test("A submit is refused before it reaches the backend, and taken once the store heals by itself")
  func submit() async throws {
    let service = try bench.service()
    try await allowWrites(false, service)
    let error = await #expect(throws: JobError.self) {
      try await service.submit(bench.submission(), actor: "test")
    }
    guard case .storage = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(bench.connector.script.withLock { $0.submits } == 0)
    #expect(try await service.find(bench.submission().key) == nil)
    #expect(service.storeTrouble?.contains("cannot be written") == true)
    try await allowWrites(true, service)
    try await healed(service)
    #expect(try await service.submit(bench.submission(), actor: "test").backendID == "1")
  }

  @Test("What is seen meanwhile is shown, a cancel reaches the backend, and every transition is written later")
  func transitions() async throws {
    bench.configuration.recentCount = 0
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    try await allowWrites(false, service)
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    #expect(try service.list(.running).jobs.count == 1)
    try await service.cancel(#require(service.recent(job.key)), actor: "kirby")
    #expect(bench.connector.script.withLock { $0.cancels } == 1)
    bench.connector.observes(bench.report(job, .canceled, .canceled))
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .canceled, "it does not leave memory before it is on disk")
    bench.connector.change { $0.output = Array("out".utf8) }
    #expect(try await service.finalOutput(#require(service.recent(job.key))) == Array("out".utf8))
    let store = service.ledger.sqlite
    #expect(try await store.job(job.key)?.state == .queued)
    try await allowWrites(true, service)
    try await healed(service)
    #expect(try await store.job(job.key)?.state == .canceled)
    #expect(try store.events(of: job.id).map(\.to) == [.submitting, .queued, .running, .canceling, .canceled])
    #expect(try await store.retention(of: job.id)?.due != nil)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("What could not be written of a try that was given up does not keep the next from being written")
  func newTry() async throws {
    bench.configuration.submitDeadline = 0
    let service = try bench.service()
    bench.connector.change { script in
      script.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
      script.located = .failure(.unavailable("still cut"))
    }
    _ = try? await service.submit(bench.submission(), actor: "test")
    let lost = try #require(service.recent(bench.submission().key))
    try await allowWrites(false, service)
    bench.connector.change { ($0.submit, $0.located) = ({ _, _ in "8" }, .success(nil)) }
    clock.pass(0.001)
    #expect(await service.resolver.ask(for: lost, timeout: .seconds(1))?.state == .failed)
    try await allowWrites(true, service)
    #expect(try await service.submit(bench.submission(), actor: "test").backendID == "8")
    try await healed(service)
    #expect(try await service.ledger.store.job(lost.key)?.backendID == "8")
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("A refused submit whose row cannot be removed is tried again once the store heals")
  func refused() async throws {
    let service = try bench.service()
    let database = service.ledger.sqlite.database
    bench.connector.change { script in
      script.submit = { _, _ throws(BackendError) in
        try? database.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA query_only = 1") }
        throw .refused("no such partition")
      }
    }
    await #expect(throws: JobError.refused("no such partition")) {
      try await service.submit(bench.submission(), actor: "test")
    }
    try await allowWrites(true, service)
    try await healed(service)
    bench.connector.change { $0.submit = { _, _ in "7" } }
    #expect(try await service.submit(bench.submission(), actor: "test").backendID == "7")
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("Events of changes that were put off come once more with their numbers")
  func numbers() async throws {
    let service = try bench.service()
    for (name, id) in [("a", "1"), ("b", "2")] {
      bench.connector.change { $0.submit = { _, _ in id } }
      _ = try await service.submit(bench.submission(name), actor: "test")
    }
    let jobs = try ["a", "b"].map { try #require(service.recent(bench.submission($0).key)) }
    let published = Mutex<[JobEvent]>([])
    service.bus.subscribe { change in published.withLock { $0 += change.events } }
    try await allowWrites(false, service)
    bench.connector.observes(bench.report(jobs[0], .running), bench.report(jobs[1], .queued))
    _ = await service.poller.poll()
    #expect(published.withLock { $0.map(\.number) } == [nil])
    try await allowWrites(true, service)
    bench.connector.observes(bench.report(jobs[0], .running), bench.report(jobs[1], .running))
    _ = await service.poller.poll()
    let numbered = published.withLock { $0.filter { $0.number != nil } }
    #expect(Set(numbered.map(\.job)) == Set(jobs.map(\.id)) && numbered.count == 2)
    #expect(try Set(service.ledger.store.events(after: 4, limit: 9).map(\.number)) == Set(numbered.map(\.number)))
  }

  @Test("A database found damaged while in use is written no more, and that is told")
  func condemned() async throws {
    let service = try bench.service()
    await service.ledger.condemn("page 7")
    #expect(service.storeTrouble?.contains("page 7") == true)
    await #expect(throws: JobError.self) { try await service.submit(bench.submission(), actor: "test") }
    #expect(bench.connector.script.withLock { $0.submits } == 0)
  }
}

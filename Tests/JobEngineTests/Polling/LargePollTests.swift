import ConnectorAPI
import Foundation
import JobModel
import Synchronization
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("A poll that shows very many ends")
struct LargePollTests {
  // In memory, since nothing here is about the disk.
  let bench = Bench(in: URL(fileURLWithPath: "/dev/shm"))
  private static let (page, count) = (20, 81)

  private static func job(_ number: Int, _ state: JobState = .running) -> Job {
    Job(
      id: JobID(rawValue: ULID.next()), key: JobKey(name: "job", number: number), owner: "kirby", account: "kirby",
      connector: "scripted", submissionToken: ULID.next(), fingerprint: "f", lifecycle: Lifecycle(state),
      contact: Contact(seenAt: Date(), source: "test"), attempt: Attempt(backendID: "\(number)"), submittedAt: Date())
  }

  private static func filled(_ service: JobService) async throws -> [Job] {
    let jobs = (1...count).map { job($0) }
    for job in jobs {
      try await service.ledger.insert(job, shownScript: "", actor: "test", idempotencyKey: nil)
    }
    return jobs
  }

  private static func ended(_ service: JobService) -> Int {
    service.ledger.cache.read { $0.jobs.values.count(where: \.state.isTerminal) }
  }

  /// Has something done on the ledger after the first page of what is written next, and before the second.
  private static func meanwhile(_ service: JobService, _ body: @escaping @Sendable (isolated Ledger) -> Void)
    -> @Sendable () -> Bool
  {
    let (hasBegun, isDone) = (Shared(false), Shared(false))
    service.ledger.bus.subscribe { _ in
      let isFirst = hasBegun.change { hasBegun in
        defer { hasBegun = true }
        return !hasBegun
      }
      guard isFirst else { return }
      service.ledger.assumeIsolated { ledger in
        ledger.afterThis { ledger in
          body(ledger)
          isDone.change { $0 = true }
        }
      }
    }
    return { isDone.value }
  }

  @Test("A new job is written before all ends are")
  func submitted() async throws {
    (bench.configuration.recentCount, bench.configuration.page) = (Self.count, Self.page)
    let service = try bench.service()
    let jobs = try await Self.filled(service)
    let new = Self.job(0, .queued)
    let before = Shared(0)
    let isDone = Self.meanwhile(service) { ledger in
      try? ledger.insert(new, shownScript: "", actor: "test", idempotencyKey: nil)
      before.change { $0 = Self.ended(service) }
    }
    let observation = Snapshot(time: Date(), reports: jobs.map { bench.report($0, .succeeded, .succeeded) })
    let fault = await service.reconciler.apply(observation, to: Set(jobs.map(\.id)), began: .now, isUnbroken: true)
    #expect(fault == nil && isDone() && Self.ended(service) == jobs.count)
    #expect(before.value < jobs.count, "the new job waited for \(before.value) of \(jobs.count) ends")
    #expect(try await service.ledger.store.job(new.key)?.state == .queued)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("A job that changed between two pages is judged as it is then")
  func changed() async throws {
    (bench.configuration.recentCount, bench.configuration.page) = (Self.count, Self.page)
    let service = try bench.service()
    let jobs = try await Self.filled(service)
    let canceled = Shared<Set<JobID>>([])
    let isDone = Self.meanwhile(service) { ledger in
      let those = ledger.cancelLiving(jobs)
      canceled.change { $0 = those }
    }
    let observation = Snapshot(time: Date(), reports: jobs.map { bench.report($0, .canceled, .canceled) })
    _ = await service.reconciler.apply(observation, to: Set(jobs.map(\.id)), began: .now, isUnbroken: true)
    #expect(isDone() && !canceled.value.isEmpty && Self.ended(service) == jobs.count)
    for job in jobs {
      let isByUser = service.ledger.current(job)?.reason == "canceled by kirby"
      #expect(isByUser == canceled.value.contains(job.id), "who asked for an end stays known")
    }
    for id in canceled.value {
      #expect(try service.ledger.store.events(of: id).map(\.to) == [.running, .canceling, .canceled])
    }
  }

  @Test("A Weir that stops writes all that a full disk has left to be written")
  func stopped() async throws {
    (bench.configuration.recentCount, bench.configuration.page) = (Self.count, Self.page)
    let service = try bench.service()
    let jobs = try await Self.filled(service)
    func allowWrites(_ isAllowed: Bool) async throws {
      try await service.ledger.sqlite.database.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA query_only = \(isAllowed ? 0 : 1)")
      }
    }
    try await allowWrites(false)
    let observation = Snapshot(time: Date(), reports: jobs.map { bench.report($0, .succeeded, .succeeded) })
    _ = await service.reconciler.apply(observation, to: Set(jobs.map(\.id)), began: .now, isUnbroken: true)
    #expect(service.storeTrouble != nil && Self.ended(service) == jobs.count)
    try await allowWrites(true)
    await service.stop()
    #expect(
      try service.ledger.store.records(livingAndLatest: Self.count).count { $0.job?.state == .succeeded } == jobs.count)
  }

  @Test("Very many jobs that a poll does not show are noted in pages")
  func missing() async throws {
    bench.configuration.page = Self.page
    let service = try bench.service()
    let jobs = try await Self.filled(service)
    let before = Shared(0)
    let noted = { @Sendable () -> Int in
      service.ledger.cache.read { $0.jobs.values.count { $0.contact.unreachableSince != nil } }
    }
    let isDone = Self.meanwhile(service) { ledger in
      try? ledger.insert(Self.job(0, .queued), shownScript: "", actor: "test", idempotencyKey: nil)
      before.change { $0 = noted() }
    }
    _ = await service.reconciler.apply(
      Snapshot(time: Date(), reports: []), to: Set(jobs.map(\.id)), began: .now, isUnbroken: true)
    #expect(isDone() && noted() == jobs.count && before.value < jobs.count)
  }
}

extension Ledger {
  /// Does something in its own turn, the next one on the ledger.
  fileprivate func afterThis(_ body: @escaping @Sendable (isolated Ledger) -> Void) { Task { body(self) } }

  /// Cancels all jobs that have not ended yet, before anybody else has a turn.
  fileprivate func cancelLiving(_ jobs: [Job]) -> Set<JobID> {
    Set(
      jobs.filter { current($0)?.state == .running }.map { job in
        apply(.cancelRequested(reason: "canceled by kirby"), to: job, actor: "kirby", at: Date())
        return job.id
      })
  }
}

/// A value that several tasks change.
private final class Shared<Value: Sendable>: Sendable {
  private let mutex: Mutex<Value>
  init(_ value: Value) { mutex = Mutex(value) }
  var value: Value { mutex.withLock { $0 } }
  func change<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
    mutex.withLock { value in
      var copy = value
      let result = body(&copy)
      value = copy
      return result
    }
  }
}

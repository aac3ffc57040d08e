import Foundation
import GRDB
import JobModel
import JobStore
import Testing

@testable import JobStoreSQLite

@Suite("Writes of jobs and their events")
struct JobWriteTests {
  let scratch = Scratch()

  private func event(_ job: Job, _ to: JobState) -> JobEvent {
    JobEvent(job: job.id, time: Date(), actor: "test", from: job.state, to: to, source: "test", reason: "")
  }

  @Test("A job has a number of its own, also after others were removed")
  func numbers() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    for name in ["a", "b", "c"] { try store.add(job(name)) }
    let jobs = try store.records(livingAndLatest: 0).compactMap(\.job)
    #expect(jobs.map(\.number) == [1, 2, 3] && jobs.map(\.version) == [1, 1, 1])
    _ = try store.delete(jobs[2].id)
    try store.add(job("d"))
    #expect(try store.records(livingAndLatest: 0).compactMap(\.job).map(\.number) == [1, 2, 4])
  }

  @Test("A write that expects another version changes nothing, and holds up no other")
  func stale() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    try store.add(job("a"))
    try store.add(job("b"))
    var (a, b) = (try #require(try store.job(named: "a")), try #require(try store.job(named: "b")))
    try a.apply(.cancelRequested(reason: "first"), at: Date())
    a.version = 2
    #expect(try store.save([.init(job: a, expecting: 1, events: [event(a, .canceling)])]).stale == [])
    let events = try store.events(of: a.id)
    var late = a
    late.reason = "late"
    try b.apply(.cancelRequested(reason: "meanwhile"), at: Date())
    b.version = 2
    let result = try store.save([
      .init(job: late, expecting: 1, events: [event(a, .canceling)]), .init(job: b, expecting: 1),
    ])
    #expect(result.stale == [a.id] && result.events.isEmpty)
    #expect(try store.job(a.id)?.reason == "first" && store.events(of: a.id) == events)
    #expect(try store.job(b.id)?.reason == "meanwhile")
    var gone = job("gone")
    gone.version = 7
    #expect(try store.save([.init(job: gone, expecting: 6)]).stale == [], "what is known no more is passed over")
  }

  @Test("Events are numbered without gaps, also where a submit leaves nothing")
  func events() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    try store.add(job("a"))
    let refused = job("refused")
    _ = try store.insert(refused, shownScript: "", event: nil, idempotencyKey: nil, serviceTime: Date())
    try store.add(job("b"))
    #expect(try store.delete(refused.id) == nil)
    #expect(try store.events(after: 0, limit: 100).map(\.number) == [1, 2] && store.oldestEvent() == 1)
    #expect(try store.events(after: 1, limit: 1).map(\.number) == [2])
    #expect(try store.events(after: .max, limit: 1) == [] && store.events(of: refused.id) == [])
    #expect(try SQLiteJobStore.check(directory: scratch.path) == [])
  }

  @Test("Old events go from the oldest on, but for those of jobs that are kept")
  func aged() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    let (past, now) = (Date() - 1000, Date())
    for name in ["old", "kept"] { try store.add(job(name, .succeeded, endedAt: past), eventAt: past) }
    try store.add(job("young"))
    let old = try #require(try store.job(named: "old"))
    // What happens to an old job late says nothing of the events before.
    _ = try store.expire(before: now + 200, limit: 10)
    try store.removedOutput(of: old, filesSince: nil, event: event(old, .succeeded))
    #expect(try store.removeRecords(before: now - 500, limit: 10) == [])
    #expect(try store.removeRecords(before: now + 300, limit: 10) == [old.id])
    #expect(try store.oldestEvent() == 1 && store.events(after: 0, limit: 10).map(\.number) == [1, 2, 3, 4])
    #expect(try store.removeEvents(before: now - 500, limit: 1) == 1)
    #expect(try store.removeEvents(before: now - 500, limit: 10) == 1)
    #expect(try store.removeEvents(before: now - 500, limit: 10) == 0)
    #expect(try store.oldestEvent() == 3 && store.events(after: 2, limit: 10).map(\.number) == [3, 4])
    #expect(throws: StoreError.self) { try store.events(after: 1, limit: 10) }
    let kept = try #require(try store.job(named: "kept"))
    #expect(try store.events(of: old.id).map(\.number) == [4] && store.events(of: kept.id).map(\.number) == [2])
    _ = try store.expire(before: now + 200, limit: 10)
    try store.removedOutput(of: kept, filesSince: nil, event: event(kept, .succeeded))
    #expect(try store.removeRecords(before: now + 300, limit: 10) == [kept.id])
    #expect(try store.events(of: kept.id).map(\.number) == [5], "what is old of it goes with its record")
    #expect(try SQLiteJobStore.check(directory: scratch.path) == [])
  }

  @Test("A new job takes the name of one that the backend never had, which stays")
  func replaced() async throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    var first = job("a", .failed, endedAt: Date())
    first.backendID = nil
    try store.add(first)
    let second = job("a")
    try store.add(second)
    #expect(try await store.job(first.key)?.id == second.id)
    let earlier = try #require(try store.job(first.id))
    #expect(earlier.replacedBy == second.id && earlier.version == 2 && earlier.key == second.key)
    #expect(try store.events(of: first.id).count == 1)
    #expect(throws: (any Error).self, "a living job keeps its name") { try store.add(job("a")) }
    #expect(try await store.job(replaced: first.key, backendID: "1") == nil, "the backend does not have it")
    let restored = try store.delete(second.id)
    #expect(restored?.id == first.id && restored?.replacedBy == nil && restored?.version == 3)
    #expect(try await store.job(first.key) == restored)
    #expect(try store.job(first.id) == restored)
    #expect(try SQLiteJobStore.check(directory: scratch.path) == [])
  }

  @Test("Attempts that others followed are kept in order")
  func attempts() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    try store.add(job("a"))
    var job = try #require(try store.job(named: "a"))
    var earlier: [EarlierAttempt] = []
    for number in 1...3 {
      var attempt = job.currentAttempt
      (attempt.nodes, attempt.devices) = (["n\(number)"], [Device(index: number, uuid: "u")])
      (attempt.startedAt, attempt.endedAt) = (Date(timeIntervalSince1970: 1000), Date(timeIntervalSince1970: 2000))
      earlier.append(EarlierAttempt(attempt, reason: "requeued"))
      job.attempt += 1
      job.version += 1
      _ = try store.save([.init(job: job, expecting: number, attempts: [earlier[number - 1]])])
    }
    #expect(try store.earlierAttempts(of: job.id) == earlier)
    #expect(try store.job(job.id)?.attempt == 4)
  }

  @Test("A damaged attempt, or a damaged version, is the trouble of nobody else")
  func damaged() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    try store.add(job("a"))
    var job = try #require(try store.job(named: "a"))
    let attempts = (1...3).map { EarlierAttempt(Attempt(number: $0, nodes: ["n"]), reason: "r") }
    job.version = 2
    _ = try store.save([.init(job: job, expecting: 1, attempts: attempts)])
    for (column, value) in [("elapsed", "'many'"), ("startedAt", "'soon'"), ("nodes", "'{]'"), ("reason", "x'ff'")] {
      try store.database.write { db in
        try db.execute(sql: "UPDATE earlierAttempt SET \(column) = \(value) WHERE number = 2")
      }
      #expect(try store.earlierAttempts(of: job.id) == [attempts[0], attempts[2]])
      #expect(try SQLiteJobStore.check(directory: scratch.path).contains { $0.contains(column) })
    }
    try store.database.write { try $0.execute(sql: "UPDATE job SET version = 'one'") }
    job.reason = "written"
    job.version = 3
    #expect(try store.save([.init(job: job, expecting: 2)]).stale == [])
    #expect(try store.job(job.id)?.reason == "written" && store.job(job.id)?.version == 3)
    try store.database.write { try $0.execute(sql: "UPDATE sequence SET value = 0 WHERE name = 'job'") }
    #expect(try SQLiteJobStore.check(directory: scratch.path).contains { $0.contains("a number that another job") })
  }

  @Test("A damaged sequence is an error, and nothing worse", arguments: ["9223372036854775807", "x'ff'", "-9e18"])
  func sequences(value: String) throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    try store.add(job("a"))
    try store.database.write { try $0.execute(sql: "UPDATE sequence SET value = \(value)") }
    #expect(throws: (any Error).self) { try store.add(job("b")) }
    _ = try? store.events(after: .max, limit: 1)
    _ = try? store.events(after: .min, limit: 1)
    _ = try store.removeEvents(before: Date() + 100, limit: 10)
    #expect(try store.records(livingAndLatest: 10).count == 1)
  }

  @Test("All that a job holds is read as it was written")
  func round() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    let time = Date(timeIntervalSince1970: 1_000_000)
    var terms = JobTerms()
    terms.labels = ["project": "star", "ünï": "∅"]
    terms.note = "a note"
    terms.dependencies = [.init(on: "01J", .failed)]
    terms.array = .init(parent: "01K", index: 7)
    terms.retry = .init(most: 3, exitCodes: [1], causes: [.nodeFailure], pause: 10, longestPause: 100)
    (terms.startAfter, terms.deadline, terms.outputs) = (time, time + 1, ["out/**"])
    for lifecycle: Lifecycle in [
      .inDoubt(since: time), .held(by: .system), .held(by: nil), .queued(since: time), .queued(since: nil), .running,
      .ended(Outcome(.failed, .stagingFailed, exitCode: 3)), .ended(Outcome(.canceled, .canceledByAdmin, signal: 9)),
      .ended(Outcome(.failed, .dependencyFailed)), .ended(.lost),
    ] {
      let name = "\(lifecycle)"
      var one = Job(
        id: JobID(rawValue: ULID.next()), key: JobKey(name: name, number: 3), owner: "o", account: "a", connector: "c",
        submissionToken: ULID.next(), fingerprint: "f", lifecycle: lifecycle,
        contact: Contact(seenAt: time, source: "s", unreachableSince: time), backendWord: "W", reason: "r",
        attempt: Attempt(
          number: 2, backendID: "7", outputPath: "p", nodes: ["n"], devices: [Device(index: 1)], elapsed: 5,
          startedAt: time, endedAt: lifecycle.state.isTerminal ? time : nil),
        submittedAt: time, priority: 4, resources: ResourceRequest(gpus: 1))
      one.terms = terms
      try store.add(one)
      var stored = try #require(try store.job(one.id))
      #expect(stored.number > 0)
      stored.number = 0
      #expect(stored == one, "\(name)")
    }
  }
}

extension SQLiteJobStore {
  fileprivate func job(named name: String) throws -> Job? {
    try records(livingAndLatest: 1000).compactMap(\.job).first { $0.name == name }
  }
}

import Foundation
import GRDB
import JobModel
import JobStore
import Testing

@testable import JobStoreSQLite

@Suite("Writes of jobs and their events")
struct JobWriteTests {
  let scratch = Scratch()

  private func event(_ job: Job, _ to: JobState?) -> JobEvent {
    JobEvent(job: job.id, time: Date(), actor: "test", from: job.state, to: to, source: "test", reason: "")
  }

  @Test("A job has a number of its own, also after others were removed")
  func numbers() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    for name in ["a", "b", "c"] { try store.add(job(name)) }
    let jobs = try store.records(livingAndLatest: 0).compactMap(\.job)
    #expect(jobs.map(\.number) == [1, 2, 3] && jobs.map(\.version) == [1, 1, 1])
    _ = try store.delete(jobs[2].id, event: event(jobs[2], nil))
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

  @Test("Events are numbered without gaps, and those of a removed job stay")
  func events() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    for name in ["a", "b", "c"] { try store.add(job(name)) }
    let b = try #require(try store.job(named: "b"))
    let removal = try store.delete(b.id, event: event(b, nil))
    try store.add(job("d"))
    let all = try store.events(after: 0, limit: 100)
    #expect(all.map(\.number) == [1, 2, 3, 4, 5] && removal.number == 4 && all[3].to == nil)
    #expect(try store.events(after: 3, limit: 1).map(\.number) == [4])
    #expect(try store.events(of: b.id).map(\.number) == [2, 4])
    #expect(try store.oldestEvent() == 1)
    #expect(try SQLiteJobStore.check(directory: scratch.path) == [])
  }

  @Test("Once records are removed, older events are said to be gone")
  func aged() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    let past = Date() - 1000
    try store.add(job("old", .succeeded, endedAt: past))
    try store.add(job("refused"))
    try store.add(job("young"))
    let refused = try #require(try store.job(named: "refused"))
    _ = try store.delete(refused.id, event: event(refused, nil))
    let old = try #require(try store.job(named: "old"))
    _ = try store.expire(before: Date() + 200, limit: 10)
    try store.removedOutput(of: old, filesSince: nil, event: event(old, .succeeded))
    #expect(try store.removeRecords(before: Date() + 300, limit: 10) == [old.id])
    // The submit, the removal of the output, and all of the refused one.
    #expect(try store.oldestEvent() == 6)
    #expect(throws: StoreError.self) { try store.events(after: 4, limit: 10) }
    #expect(try store.events(after: 5, limit: 10) == [])
    #expect(try store.events(of: #require(try store.job(named: "young")).id).map(\.number) == [3])
    #expect(try store.job(old.id) == nil && store.events(of: refused.id) == [])
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

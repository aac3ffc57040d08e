import Foundation
import GRDB
import JobModel
import JobStore
import Testing

@testable import JobStoreSQLite

/// A store as release 0.1.0 left it, row by row, opened by the program of today.
@Suite("Jobs of a store without numbers and versions")
struct IdentityMigrationTests {
  let scratch = Scratch()

  /// What 0.1.0 held of how a job ended, and what that is now.
  struct Ending: Sendable, CustomTestStringConvertible {
    let state: String
    let columns: String
    let outcome: Outcome
    var testDescription: String { columns }

    init(_ state: String, _ columns: String, _ outcome: Outcome) {
      (self.state, self.columns, self.outcome) = (state, columns, outcome)
    }

    static let all = [
      Ending("succeeded", "ending = 'completed', exitCode = 0", Outcome(.succeeded, exitCode: 0)),
      Ending("failed", "ending = 'failed', exitCode = 3", Outcome(.failed, .exitCode, exitCode: 3)),
      Ending("failed", "ending = 'failed', signal = 9", Outcome(.failed, .signal, signal: 9)),
      Ending("failed", "ending = 'failed'", .failed),
      Ending("failed", "ending = 'outOfMemory', signal = 9", Outcome(.failed, .outOfMemory, signal: 9)),
      Ending("failed", "ending = 'nodeFailure'", .nodeFailure),
      Ending("failed", "ending = 'bootFailure'", .launchFailed),
      Ending("failed", "ending = 'timeLimit'", .timeLimit), Ending("failed", "ending = 'deadline'", .deadline),
      Ending("failed", "ending = 'preempted'", .preempted), Ending("canceled", "ending = 'canceled'", .canceled),
      Ending("canceled", "ending = 'canceled', stateSource = 'administrator'", Outcome(.canceled, .canceledByAdmin)),
      Ending("lost", "ending = 'lost'", .lost),
    ]
  }

  /// Makes the old store with one job, in whose row the columns are set.
  private func old(
    _ state: String, _ columns: String = "attempt = 1", told: String? = nil, also: (Database) throws -> Void = { _ in }
  ) throws {
    _ = try StateDirectory(scratch.path)
    let queue = try DatabaseQueue(path: scratch.database)
    try Schema.migrator.migrate(queue, upTo: "limits")
    let isOver = ["succeeded", "failed", "canceled", "lost"].contains(state)
    try queue.writeWithoutTransaction { db in
      for (id, state, end) in [
        ("01A", "queued", "NULL"), ("01B", state, isOver ? "'2026-01-01 00:00:09.000'" : "NULL"),
        ("01C", "held", "NULL"),
      ] {
        try db.execute(
          sql: """
            INSERT INTO job (id, name, number, owner, account, connector, submissionToken, fingerprint, backendID, state,
              stateSource, stateTime, reason, nodes, elapsed, submittedAt, endedAt)
            VALUES (?, ?, 4, 'o', 'a', 'c', ?, 'f', '7', ?, 's', '2026-01-01 00:00:05.000', '', '[]', 0,
              '2026-01-01 00:00:00.000', \(end));
            INSERT INTO jobEvent (job, time, actor, "from", "to", source, reason)
            VALUES (?, '2026-01-01 00:00:05.000', 'weir', NULL, ?, 's', '');
            """, arguments: [id, id, id, state, id, state])
      }
      try db.execute(sql: "INSERT INTO retention (job, due) VALUES ('01B', '2026-02-01 00:00:00.000')")
      try db.execute(sql: "UPDATE job SET \(columns) WHERE id = '01B'")
      if let told { try db.execute(sql: "INSERT INTO toldEnd VALUES ('01B', ?, 5)", arguments: [told]) }
      try also(db)
    }
    try queue.close()
  }

  @Test("Each ending becomes an outcome with its cause", arguments: Ending.all)
  func endings(ending: Ending) async throws {
    try old(ending.state, ending.columns)
    let store = try SQLiteJobStore(directory: scratch.path)
    let job = try #require(try store.job("01B"))
    #expect(job.outcome == ending.outcome && job.endedAt != nil)
    #expect(job.number == 2 && job.version == 1 && job.key == JobKey(name: "01B", number: 4))
    #expect(try await store.job(job.key)?.id == "01B")
    #expect(try SQLiteJobStore.check(directory: scratch.path) == [])
  }

  @Test(
    "A state that nobody understood is contact that was lost; what may not have been meant to start is held",
    arguments: [
      ("startedAt = '2026-01-01 00:00:01.000'", JobState.running), ("nodes = '[\"n\"]', connector = 'gpu'", .running),
      ("connector = 'slurm'", .queued), ("connector = 'gpu'", .held), ("connector = 'local'", .held),
    ])
  func unknown(columns: String, state: JobState) throws {
    try old("unknown", columns) { db in
      try db.execute(sql: "UPDATE jobEvent SET \"to\" = 'queued' WHERE job = '01B'")
      for (from, to) in [("queued", "unknown"), ("unknown", "running"), ("running", "unknown")] {
        try db.execute(
          sql: """
            INSERT INTO jobEvent (job, time, actor, "from", "to", source, reason)
            VALUES ('01B', '2026-01-01 00:00:06.000', 'weir', ?, ?, 's', '')
            """, arguments: [from, to])
      }
    }
    let store = try SQLiteJobStore(directory: scratch.path)
    let job = try #require(try store.job("01B"))
    #expect(job.state == state && job.contact.unreachableSince == job.contact.seenAt)
    if state == .held { #expect(job.lifecycle == .held(by: .system)) }
    let events = try store.events(of: "01B")
    #expect(events.map(\.to) == [.queued, .queued, .running, state])
    #expect(events.map(\.from) == [nil, .queued, .queued, .running])
    if !["gpu", "local"].contains(job.connector) {
      #expect(try SQLiteJobStore.check(directory: scratch.path) == [])
    }
  }

  @Test("Rows that belong to no job do not stop it")
  func orphans() throws {
    try old("running") { db in
      try db.execute(
        sql: """
          PRAGMA foreign_keys = OFF;
          INSERT INTO shownScript VALUES ('gone', 'a secret');
          INSERT INTO payload VALUES ('gone', x'00');
          INSERT INTO retention (job, due) VALUES ('gone', '2026-01-01 00:00:00.000');
          INSERT INTO toldEnd VALUES ('gone', 'failed', 1);
          INSERT INTO idempotencyKey (caller, key, job) VALUES ('c', 'k', 'gone');
          INSERT INTO kept VALUES ('gone', 'o', 1, 1, 1, 1);
          INSERT INTO jobEvent (job, time, actor, "to", source, reason)
          VALUES ('gone', '2026-01-01 00:00:00.000', 'a', 'failed', 's', 'r');
          """)
    }
    let store = try SQLiteJobStore(directory: scratch.path)
    #expect(try store.records(livingAndLatest: 9).count == 3)
    #expect(try SQLiteJobStore.check(directory: scratch.path) == [])
  }

  @Test(
    "What was answered of an end is answered again",
    arguments: ["completed", "failed", "lost", "canceled", "timeLimit"])
  func told(ending: String) async throws {
    try old("running", told: ending)
    let told = try await SQLiteJobStore(directory: scratch.path).toldEnd(of: "01B")
    #expect(told?.elapsed == 5)
    let expected: Outcome =
      switch ending {
      case "completed": .succeeded
      case "failed": .failed
      case "lost": .lost
      case "canceled": .canceled
      default: .timeLimit
      }
    #expect(told?.outcome == expected)
  }

  @Test("Numbers and events go on where they were, and nothing can be asked about the events before")
  func numbers() throws {
    try old("running", "missingSince = '2026-01-01 00:00:03.000', unknownSince = '2026-01-01 00:00:04.000'")
    let store = try SQLiteJobStore(directory: scratch.path)
    try store.add(job("new"))
    #expect(try store.records(livingAndLatest: 0).compactMap(\.job).map(\.number) == [1, 2, 3, 4])
    #expect(try store.oldestEvent() == 4 && store.events(after: 3, limit: 9).map(\.number) == [4])
    #expect(throws: StoreError.self) { try store.events(after: 2, limit: 9) }
    #expect(try store.events(of: "01B").map(\.number) == [2])
    #expect(try store.job("01B")?.contact.unreachableSince != nil)
    let copy = try DatabaseQueue(path: scratch.database + ".before-identity")
    #expect(try copy.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM job WHERE stateSource = 's'") } == 3)
  }

  @Test(
    "A damaged row is the trouble of its own job, as before",
    arguments: [
      "state = 'flying'", "state = x'ff'", "ending = x'ff'", "ending = 'flying'", "stateTime = 'soon'", "nodes = '{]'",
      "attempt = 'one'", "exitCode = 1e300", "number = 'four'", "owner = x'ff'", "unknownSince = 9e999",
      "needs = x'00'",
      "elapsed = 'many'", "priority = 'high'",
    ])
  func damaged(columns: String) throws {
    try old("running", columns)
    let store = try SQLiteJobStore(directory: scratch.path)
    let records = try store.records(livingAndLatest: 10)
    #expect(records.count == 3)
    for id in ["01A", "01C"] { #expect(records.contains { $0.job?.id.rawValue == id && $0.faults.isEmpty }) }
    let damaged = try #require(records.first { !$0.faults.isEmpty })
    #expect(damaged.sentence.contains("01B"))
  }
}

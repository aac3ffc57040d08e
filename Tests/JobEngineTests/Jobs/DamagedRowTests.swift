import Foundation
import GRDB
import JobModel
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

/// A value that no store of ours would hold in a column, and what becomes of the job.
struct DamagedValue: Sendable, CustomTestStringConvertible {
  enum Fate: Sendable { case repaired, setAside }

  let column: String
  let value: String
  let fate: Fate

  var testDescription: String { "\(column) = \(value)" }

  init(_ column: String, _ value: String, _ fate: Fate) {
    self.column = column
    self.value = value
    self.fate = fate
  }

  static let times = [
    "submittedAt", "seenAt", "startedAt", "endedAt", "inDoubtSince", "queuedSince", "unreachableSince",
  ]
  static let badTimes = [
    "'10000-01-01 00:00:00.000'", "253402300800", "1e300", "9e999", "-1", "'1969-12-31 23:59:59.000'", "'soon'",
    "x'ff00'",
  ]

  static let all: [DamagedValue] =
    badTimes.map { DamagedValue("startedAt", $0, .repaired) }
    + times.flatMap { column in badTimes.prefix(2).map { DamagedValue(column, $0, .repaired) } }
    + ["elapsed", "exitCode", "signal", "priority"].flatMap { column in
      ["9223372036854775807", "'many'"].map { DamagedValue(column, $0, .repaired) }
    }
    + ["reason", "seenBy", "backendWord", "state", "result", "cause", "heldBy"].map {
      DamagedValue($0, "x'ff'", .repaired)
    }
    + ["'{]'", "x'ff'", "'{}'"].map { DamagedValue("submittedStamp", $0, .repaired) }
    + [DamagedValue("state", "'flying'", .repaired), DamagedValue("cause", "'flying'", .repaired)]
    + ["'one'", "0", "1e300"].map { DamagedValue("version", $0, .repaired) }
    + [
      "owner", "account", "connector", "fingerprint", "submissionToken", "name", "backendID", "outputPath", "input",
      "replacedBy",
    ]
    .map { DamagedValue($0, "x'ff'", .setAside) }
    + ["nodes", "devices", "resources", "input", "terms"].map { DamagedValue($0, "'{]'", .setAside) }
    + ["number", "upstreamNumber"].flatMap { column in ["'one'", "1e300"].map { DamagedValue(column, $0, .setAside) } }
    + [DamagedValue("attempt", "'one'", .setAside), DamagedValue("attempt", "9223372036854775807", .setAside)]
}

@Suite("A damaged row of the store", .serialized)
struct DamagedRowTests {
  let bench = Bench()

  private func change(_ sql: String) throws {
    let queue = try DatabaseQueue(path: bench.directory.path + "/weir.sqlite")
    try queue.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA foreign_keys = OFF; " + sql) }
    try queue.close()
  }

  /// Two jobs, one of which runs.
  private func fill() async throws -> (service: JobService, victim: Job) {
    let service = try bench.service()
    _ = try await service.submit(bench.submission("victim"), actor: "test")
    let victim = try #require(service.recent(JobKey(name: "victim", number: 1)))
    var running = bench.report(victim, .running)
    running.startedAt = Date() - 60
    bench.connector.observes(running)
    _ = await service.poller.poll()
    bench.connector.change { $0.submit = { _, _ in "2" } }
    _ = try await service.submit(bench.submission("other"), actor: "test")
    return (service, try #require(service.recent(victim.key)))
  }

  @Test("A job that waits and whose state is lost is started by nobody", arguments: ["'flying'", "x'ff'"])
  func waiting(state: String) async throws {
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    try change("UPDATE job SET state = \(state)")
    let restarted = try bench.service()
    try await restarted.ledger.load()
    let job = try #require(restarted.recent(bench.submission().key))
    #expect(job.lifecycle == .held(by: .system) && job.contact.unreachableSince != nil)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
    bench.connector.observes(bench.report(job, .queued))
    _ = await restarted.poller.poll()
    #expect(restarted.recent(job.key)?.state == .queued, "a backend that shows it tells its state")
  }

  @Test("It never stops the start; the job is repaired or set aside, and that is said", arguments: DamagedValue.all)
  func start(_ damage: DamagedValue) async throws {
    let (old, victim) = try await fill()
    try await old.ledger.sqlite.database.write { db in
      try db.execute(sql: "UPDATE job SET \(damage.column) = \(damage.value) WHERE id = ?", arguments: [victim.id])
    }
    let faults = try SQLiteJobStore.check(directory: bench.directory.path)
    #expect(faults.contains { $0.contains(damage.column) && $0.contains("job ") }, "\(faults)")
    let service = try bench.service()
    try await service.ledger.load()
    #expect(service.recent(JobKey(name: "other", number: 1))?.state == .queued)
    #expect(service.warnings.contains { $0.contains(damage.column) }, "\(service.warnings)")
    let known = service.recent(victim.key)
    switch damage.fate {
    case .setAside:
      #expect(known == nil)
      let kept = try await service.ledger.sqlite.database.read { db in
        try Bool.fetchOne(
          db, sql: "SELECT \(damage.column) IS \(damage.value) FROM job WHERE id = ?", arguments: [victim.id])
      }
      #expect(kept == true, "the row stays as it is")
    case .repaired:
      #expect(known?.id == victim.id && known?.backendID == victim.backendID)
      #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
      let events = try service.ledger.store.events(of: victim.id)
      #expect(events.last?.reason.contains(damage.column) == true, "what stood there is not lost: \(events)")
    }
    // All that goes over many jobs goes on.
    _ = try service.ledger.store.lastSubmit()
    _ = await service.poller.poll()
    await service.retention.removeDue()
  }

  @Test("Every column of a job is checked")
  func columns() async throws {
    let store = try bench.service().ledger.sqlite
    let columns = try await store.database.read { db in try db.columns(in: "job").map(\.name) }
    #expect(Set(columns) == Set(JobRow.columnNames))
  }

  @Test("An ended job is repaired into a state that has an end")
  func ended() async throws {
    let (service, victim) = try await fill()
    bench.connector.observes(bench.report(victim, .succeeded, .succeeded))
    _ = await service.poller.poll()
    try change("UPDATE job SET endedAt = 253402300800, cause = 'flying' WHERE id = '\(victim.id)'")
    let restarted = try bench.service()
    try await restarted.ledger.load()
    let job = try #require(try await restarted.find(victim.key))
    #expect(job.outcome == .succeeded && job.endedAt != nil)
  }

  @Test(
    "One row of another table stops nothing",
    arguments: [
      ("retention", "due"), ("retention", "answeredAt"), ("retention", "expiredAt"), ("retention", "failure"),
      ("retention", "failures"), ("jobEvent", "time"), ("jobEvent", "actor"), ("jobEvent", "\"to\""),
    ])
  func others(table: String, column: String) async throws {
    let (service, victim) = try await fill()
    bench.configuration.unclaimedOutput = 0
    for value in ["1e300", "'soon'", "x'ff'", "'10000-01-01 00:00:00.000'"] {
      let restarted = try bench.service()
      bench.connector.observes(bench.report(victim, .succeeded, .succeeded))
      try await restarted.ledger.load()
      _ = await restarted.poller.poll()
      try change("UPDATE \(table) SET \(column) = \(value) WHERE job = '\(victim.id)'")
      let name = column.filter { $0 != "\"" }
      let faults = try SQLiteJobStore.check(directory: bench.directory.path)
      if !["failure", "actor"].contains(name) || value.hasPrefix("x") {
        #expect(faults.contains { $0.contains(name) || $0.contains("last event") }, "\(value): \(faults)")
      }
      await restarted.retention.removeDue()
      _ = try restarted.ledger.store.events(of: victim.id)
      _ = try? await restarted.finalOutput(victim)
      #expect(restarted.recent(JobKey(name: "other", number: 1)) != nil)
    }
    _ = service
  }

  @Test("Damaged records of an answered end and of the service time are listed, and stop nothing")
  func answeredEnd() async throws {
    let (service, victim) = try await fill()
    try change(
      """
      INSERT INTO toldEnd (job, result, cause, elapsed) VALUES ('\(victim.id)', 'flying', 'none', x'ff');
      INSERT OR REPLACE INTO serviceTime (id, time) VALUES (0, 'soon')
      """)
    let faults = try SQLiteJobStore.check(directory: bench.directory.path)
    #expect(faults.contains("toldEnd of the job with the id \(victim.id): result, elapsed is damaged"), "\(faults)")
    #expect(faults.contains("serviceTime: time is damaged"), "\(faults)")
    #expect(try await service.toldEnd(of: victim) == nil)
  }

  @Test("Of a job whose row is set aside the answer is an error that names it, and no second job is made")
  func asked() async throws {
    let (_, victim) = try await fill()
    try change("UPDATE job SET fingerprint = x'ff' WHERE id = '\(victim.id)'")
    let service = try bench.service()
    try await service.ledger.load()
    let error = await #expect(throws: JobError.self) {
      try await service.submit(bench.submission("victim"), actor: "test")
    }
    guard case .storage(let reason) = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(reason.contains("fingerprint") && reason.contains("weir store check"))
    #expect(bench.connector.script.withLock { $0.submits } == 2)
  }
}

@Suite("What enters the store is bounded", .serialized)
struct StoredBoundsTests {
  let bench = Bench()

  static let times: [Double] = [
    253_402_300_800, 1e300, .infinity, -.infinity, .nan, -1, -62_135_596_801,
  ]

  @Test("No time before 1970 or after 9999 enters it, whoever reports it", arguments: times)
  func time(seconds: Double) async throws {
    let time = Date(timeIntervalSince1970: seconds)
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    for state in [JobState.running, .succeeded] {
      var report = bench.report(job, state, state == .succeeded ? .succeeded : nil)
      (report.submittedAt, report.startedAt, report.endedAt) = (time, time, time)
      await service.reconciler.apply([job.id: report], at: time)
      let shown = try #require(service.recent(job.key))
      #expect(shown.state == state)
      #expect(shown.startedAt == nil)
      #expect(abs(shown.contact.seenAt.timeIntervalSinceNow) < 60)
      #expect((shown.endedAt == nil) == (state == .running))
      _ = shown.elapsed(at: Date())
      let restarted = try bench.service()
      try await restarted.ledger.load()
      #expect(restarted.recent(job.key)?.state == state)
      #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
    }
    #expect(try await service.finalOutput(try #require(service.recent(job.key))) == [])
  }

  @Test("Counts and texts are cut to what a store can hold")
  func counts() async throws {
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    var report = bench.report(job, .failed, .failed)
    report.elapsed = .max
    report.lifecycle = .ended(Outcome(.failed, exitCode: .min, signal: .max))
    report.reason = String(repeating: "ü", count: 1_000_000)
    report.backendWord = String(repeating: "W", count: 1_000_000)
    report.nodes = Array(repeating: "n", count: 70_000)
    await service.reconciler.apply([job.id: report], at: Date())
    let shown = try #require(service.recent(job.key))
    #expect(shown.elapsed == 1 << 31 && shown.outcome?.exitCode == nil && shown.outcome?.signal == nil)
    #expect(shown.reason.utf8.count <= 4096 && shown.backendWord?.utf8.count ?? 0 <= 256)
    #expect(shown.nodes.count == 65_536)
    let restarted = try bench.service()
    try await restarted.ledger.load()
    let loaded = try #require(try await restarted.find(job.key))
    #expect(loaded.reason == shown.reason && loaded.nodes == shown.nodes && loaded.backendWord == shown.backendWord)
    #expect(restarted.warnings == [])
  }
}

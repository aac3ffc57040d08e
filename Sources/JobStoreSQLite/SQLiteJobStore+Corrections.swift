import Foundation
import GRDB
import JobModel
import JobStore

extension SQLiteJobStore {
  package func jobs(withUnseenEnd count: Int) throws -> [Job] {
    try read { db in
      let rows = try JobRow.fetchAll(
        db, sql: "SELECT * FROM job WHERE \(Schema.hasUnseenEnd) ORDER BY endedAt DESC LIMIT ?", arguments: [count],
        now: clock.date)
      return rows.compactMap(\.job).filter(\.isCorrectable).reversed()
    }
  }

  package func toldEnd(of id: JobID) async throws -> ToldEnd? {
    try await read { db in
      try Row.fetchOne(db, sql: "SELECT result, cause, elapsed FROM toldEnd WHERE job = ?", arguments: [id])
        .flatMap(ToldEnd.init)
    }
  }

  package func hasToldEnd(of id: JobID) throws -> Bool {
    try read { db in try Self.hasToldEnd(of: id, db) }
  }

  private static func hasToldEnd(of id: JobID, _ db: Database) throws -> Bool {
    try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM toldEnd WHERE job = ?)", arguments: [id]) == true
  }

  package func note(_ event: JobEvent) throws -> JobEvent? {
    try write { db in
      let isSame = try Bool.fetchOne(
        db, sql: "SELECT EXISTS (SELECT 1 FROM job WHERE id = ? AND state = ?)",
        arguments: [event.job, event.to.rawValue])
      guard isSame == true else { return nil }
      var event = event.bounded(at: clock.date)
      try event.insert(db)
      return event
    }
  }

  /// Follows the correction of an end.
  ///
  /// What was answered of the end stays answered: the upstream has acted on it. What was not is answered as it is now:
  /// its output, if it was kept, is read again once the job is over. Output of a job that lives is not removed.
  func correct(_ end: Job, to job: Job, _ db: Database) throws {
    let told = end.outcome ?? .lost
    try db.execute(
      sql: """
        INSERT OR IGNORE INTO toldEnd (job, result, cause, elapsed)
        SELECT job, ?, ?, ? FROM retention WHERE job = ? AND answeredAt IS NOT NULL
        """, arguments: [told.result.rawValue, told.cause.rawValue, end.elapsed, job.id])
    if try !Self.hasToldEnd(of: job.id, db) {
      unlink(outputFile(job.id))
      try db.execute(sql: "UPDATE kept SET output = 0 WHERE job = ?", arguments: [job.id])
    }
    guard !job.state.isTerminal else { return }
    try db.execute(sql: "DELETE FROM retention WHERE job = ? AND answeredAt IS NULL", arguments: [job.id])
    try db.execute(sql: "UPDATE retention SET due = NULL, filesSince = NULL WHERE job = ?", arguments: [job.id])
  }
}

extension ToldEnd {
  /// Nil when the row is damaged.
  fileprivate init?(_ row: Row) {
    guard let result = String.fromDatabaseValue(row["result"]).flatMap(Outcome.Result.init(rawValue:)),
      let cause = String.fromDatabaseValue(row["cause"]).flatMap(Outcome.Cause.init(rawValue:)),
      let elapsed = Int.fromDatabaseValue(row["elapsed"]), (0...StoredBounds.count).contains(elapsed)
    else { return nil }
    self.init(outcome: Outcome(result, cause), elapsed: elapsed)
  }
}

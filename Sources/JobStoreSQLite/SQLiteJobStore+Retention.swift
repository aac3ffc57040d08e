import Foundation
import GRDB
import JobModel
import JobStore
import Support

extension Retention {
  /// A damaged time counts as one that is long past: whether output was removed already is not known then.
  init?(_ row: Row?) {
    func time(_ column: String) -> Date? {
      let value: DatabaseValue = row?[column] ?? .null
      return value.isNull ? nil : JobRow.Form.time(value) ?? Date(timeIntervalSince1970: 0)
    }
    guard let row, let job = String.fromDatabaseValue(row["job"]) else { return nil }
    self.init(
      job: JobID(rawValue: job), due: time("due"), answeredAt: time("answeredAt"), expiredAt: time("expiredAt"),
      filesSince: time("filesSince"),
      failures: min(max(0, Int.fromDatabaseValue(row["failures"]) ?? 0), StoredBounds.count),
      failure: String.fromDatabaseValue(row["failure"]))
  }

  static func fetchOne(_ db: Database, _ id: JobID) throws -> Retention? {
    try Retention(Row.fetchOne(db, sql: "SELECT * FROM retention WHERE job = ?", arguments: [id]))
  }
}

extension Retention.Remains {
  /// The column by which they go.
  fileprivate var column: String { self == .output ? "due" : "filesSince" }
}

extension SQLiteJobStore {
  package func retention(of id: JobID) async throws -> Retention? {
    try await read { db in try Retention.fetchOne(db, id) }
  }

  package func answered(_ id: JobID, size: Int, at now: Date, due: Date) throws -> Bool {
    try write { db in
      try db.execute(sql: "UPDATE kept SET output = ? WHERE job = ?", arguments: [size, id])
      try db.execute(
        sql: """
          INSERT INTO retention (job, due, answeredAt) VALUES (:job, :due, :now)
          ON CONFLICT (job) DO UPDATE SET due = :due, answeredAt = :now WHERE answeredAt IS NULL AND expiredAt IS NULL
          """, arguments: ["job": id, "due": due.stored, "now": now.stored])
      if db.changesCount > 0 { return true }
      return try Retention.fetchOne(db, id)?.expiredAt == nil
    }
  }

  // A time that no store of ours writes is never due, and a job whose record is damaged is tried again a day later.
  package func expire(before now: Date, limit: Int) throws -> [Job] {
    let due = try read { db in
      try JobID.fetchAll(
        db,
        sql: """
          SELECT retention.job FROM retention LEFT JOIN job ON job.id = retention.job
          WHERE due <= ? AND due >= '1970' AND typeof(due) = 'text' AND typeof(retention.job) = 'text'
            AND (job.id IS NULL OR NOT (\(Schema.isLiving)))
          ORDER BY due LIMIT ?
          """,
        arguments: [now.stored, limit])
    }
    guard !due.isEmpty else { return [] }
    return try write { db in
      let marks = databaseQuestionMarks(count: due.count)
      let jobs = try JobRow.fetchAll(
        db, sql: "SELECT * FROM job WHERE id IN (\(marks))", arguments: StatementArguments(due), now: clock.date
      ).compactMap(\.job)
      let readable = Set(jobs.map(\.id))
      for id in due where !readable.contains(id) {
        try db.execute(
          sql: "UPDATE retention SET due = ? WHERE job = ?", arguments: [(now + 86_400).stored, id])
      }
      try db.execute(
        sql: "UPDATE retention SET expiredAt = ? WHERE expiredAt IS NULL AND job IN (\(marks))",
        arguments: [now.stored] + StatementArguments(due))
      return jobs
    }
  }

  package func sharesOutput(_ job: Job) async throws -> Bool {
    try await read { db in
      try Bool.fetchOne(
        db,
        sql: """
          SELECT EXISTS (
            SELECT 1 FROM job LEFT JOIN retention ON retention.job = job.id
            WHERE name = ? AND \(Schema.holdsName) AND job.id <> ? AND account = ? AND outputPath IS ?
              AND expiredAt IS NULL)
          """, arguments: [job.name, job.id, job.account, job.outputPath]) ?? true
    }
  }

  package func removedOutput(of job: Job, filesSince: Date?, event: JobEvent) throws {
    unlink(outputFile(job.id))
    unlink(inputFile(job.id))
    Checkpoint.reach("removal.copy-removed")
    try write { db in
      try db.execute(
        sql: "UPDATE retention SET due = NULL, filesSince = ?, failures = 0, failure = NULL WHERE job = ?",
        arguments: [filesSince?.stored, job.id])
      try db.execute(sql: "DELETE FROM kept WHERE job = ?", arguments: [job.id])
      try db.execute(sql: "DELETE FROM shownScript WHERE job = ?", arguments: [job.id])
      var event = event.bounded(at: clock.date)
      try event.insert(db)
    }
  }

  package func jobs(withFilesSince time: Date, limit: Int) throws -> [Job] {
    try read { db in
      try JobRow.fetchAll(
        db,
        sql: """
          SELECT job.* FROM retention JOIN job ON job.id = retention.job
          WHERE filesSince <= ? AND filesSince >= '1970' AND typeof(filesSince) = 'text' AND due IS NULL
            AND NOT (\(Schema.isLiving))
          ORDER BY filesSince LIMIT ?
          """,
        arguments: [time.stored, limit], now: clock.date)
    }.compactMap(\.job)
  }

  package func removedFiles(of job: Job, event: JobEvent) throws {
    try write { db in
      try db.execute(
        sql: "UPDATE retention SET filesSince = NULL, failures = 0, failure = NULL WHERE job = ?", arguments: [job.id])
      var event = event.bounded(at: clock.date)
      try event.insert(db)
    }
  }

  package func removeRecords(before time: Date, limit: Int) throws -> [JobID] {
    // The index on the end of jobs bounds what is looked at; times that no store of ours writes are before no time.
    let due = try read { db in
      try JobID.fetchAll(
        db,
        sql: """
          SELECT job.id FROM job JOIN retention ON retention.job = job.id
          WHERE endedAt <= :time AND endedAt >= '1970' AND typeof(endedAt) = 'text' AND NOT (\(Schema.isLiving))
            AND expiredAt <= :time AND expiredAt >= '1970' AND typeof(expiredAt) = 'text'
            AND due IS NULL AND filesSince IS NULL
          ORDER BY endedAt LIMIT :limit
          """, arguments: ["time": time.stored, "limit": limit])
    }
    guard !due.isEmpty else { return [] }
    return try write { db in
      for id in due {
        try Self.removeOldEvents(of: id, db)
        try Job.deleteOne(db, key: id)
      }
      return due
    }
  }

  package func failedRemoval(
    of remains: Retention.Remains, _ job: Job, reason: String, retry: (_ failures: Int) -> Date, event: JobEvent
  ) throws {
    try write { db in
      let known = try Retention.fetchOne(db, job.id)
      let failures = (known?.failures ?? 0) + 1
      try db.execute(
        sql: "UPDATE retention SET \(remains.column) = ?, failures = ?, failure = ? WHERE job = ?",
        arguments: [retry(failures).stored, failures, StoredBounds.cut(reason, to: StoredBounds.reason), job.id])
      if known?.failure != reason {
        var event = event.bounded(at: clock.date)
        try event.insert(db)
      }
    }
  }

  package func failedRemovals(atLeast failures: Int) async throws -> (count: Int, reason: String)? {
    try await read { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT count(*), failure, max(due) FROM retention
          WHERE (due IS NOT NULL OR filesSince IS NOT NULL) AND failures > 0 AND failures >= ?
          """,
        arguments: [failures])
      guard let row, let count = Int.fromDatabaseValue(row[0]), count > 0 else { return nil }
      return (count, String.fromDatabaseValue(row[1]) ?? "")
    }
  }
}

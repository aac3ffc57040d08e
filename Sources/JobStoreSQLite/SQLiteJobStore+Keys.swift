import Foundation
import GRDB
import JobModel
import JobStore

extension SQLiteJobStore {
  package func job(_ key: IdempotencyKey, limits: OwnerLimits, at time: Date) async throws -> Job? {
    try await read { db in try key.job(limits: limits, at: time, db) }
  }

  package func bind(_ key: IdempotencyKey, to job: Job, limits: OwnerLimits, at time: Date) throws {
    try write { db in try key.bind(to: job, limits: limits, at: time, db) }
  }
}

extension IdempotencyKey {
  /// The job that was submitted with it, if any.
  /// - Parameters:
  ///   - limits: say for how long it counts.
  ///   - time: the service time.
  func job(limits: OwnerLimits, at time: Date, _ db: Database) throws -> Job? {
    try JobRow.job(
      Row.fetchOne(
        db,
        sql: """
          SELECT job.* FROM idempotencyKey JOIN job ON job.id = idempotencyKey.job
          WHERE caller = ? AND key = ? AND createdAt > ?
          """,
        arguments: [caller, key, limits.oldestKey(at: time)]), now: time)
  }

  /// Gives it to a job.
  /// - Throws: ``JobError/idempotencyConflict(_:)`` when another job has it; ``JobError/limit(_:retryAfter:)``.
  func bind(to job: Job, limits: OwnerLimits, at time: Date, _ db: Database) throws {
    if let known = try self.job(limits: limits, at: time, db) {
      guard known.id == job.id else { throw JobError.idempotencyConflict(known.key) }
      return
    }
    try db.execute(sql: "DELETE FROM idempotencyKey WHERE createdAt <= ?", arguments: [limits.oldestKey(at: time)])
    func count(_ column: String, _ value: some DatabaseValueConvertible) throws -> Int {
      try Int.fetchOne(
        db, sql: "SELECT count(*) FROM idempotencyKey WHERE \(column) = ?", arguments: [value]) ?? 0
    }
    try limits.checkKeys(ofJob: count("job", job.id), job.key)
    try limits.checkKeys(ofOwner: count("owner", job.owner), job.owner)
    try db.execute(
      sql: "INSERT INTO idempotencyKey (caller, key, job, owner, createdAt) VALUES (?, ?, ?, ?, ?)",
      arguments: [caller, key, job.id, job.owner, time.stored])
  }
}

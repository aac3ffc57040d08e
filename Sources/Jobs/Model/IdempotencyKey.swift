import Foundation
import GRDB
import JobModel

/// What a caller marks a submission with, so that it can be sent again (draft-ietf-httpapi-idempotency-key-header).
public struct IdempotencyKey: Sendable, Equatable {
  /// Whose key it is: each caller has its own.
  public let caller: String
  public let key: String

  /// Nil unless the key is 1 to 255 visible ASCII characters.
  public init?(caller: String, key: String) {
    guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
    self.caller = caller
    self.key = key
  }

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

extension JobStore {
  /// The job that was submitted with a key, if any.
  func job(_ key: IdempotencyKey, limits: OwnerLimits, at time: Date) async throws -> Job? {
    try await database.read { db in try key.job(limits: limits, at: time, db) }
  }

  func bind(_ key: IdempotencyKey, to job: Job, limits: OwnerLimits, at time: Date) throws {
    try database.write { db in try key.bind(to: job, limits: limits, at: time, db) }
  }
}

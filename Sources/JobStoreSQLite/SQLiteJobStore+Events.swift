import Foundation
import GRDB
import JobModel
import JobStore

extension SQLiteJobStore {
  package func events(of id: JobID) throws -> [JobEvent] {
    try read { db in
      let rows = try Row.fetchAll(db, sql: "SELECT * FROM jobEvent WHERE job = ? ORDER BY number", arguments: [id])
      return rows.compactMap { row in try? JobEvent(row: row) }
    }
  }

  package func events(after number: Int64, limit: Int) throws -> [JobEvent] {
    try read { db in
      let oldest = try Self.oldestEvent(db)
      guard number + 1 >= oldest else {
        throw StoreError.missing("events before number \(oldest) are no longer kept")
      }
      let rows = try Row.fetchAll(
        db, sql: "SELECT * FROM jobEvent WHERE number > ? ORDER BY number LIMIT ?", arguments: [number, limit])
      return rows.compactMap { row in try? JobEvent(row: row) }
    }
  }

  package func oldestEvent() throws -> Int64 { try read(Self.oldestEvent) }

  private static func oldestEvent(_ db: Database) throws -> Int64 {
    try Int64.fetchOne(db, sql: "SELECT value FROM sequence WHERE name = 'oldestEvent'") ?? 1
  }

  /// Removes the events of a job: from then on the events are whole only after the last of these.
  static func removeEvents(of id: JobID, _ db: Database) throws {
    try db.execute(
      sql: """
        UPDATE sequence SET value = max(value, (SELECT coalesce(max(number), 0) + 1 FROM jobEvent WHERE job = :job))
        WHERE name = 'oldestEvent'
        """, arguments: ["job": id])
    try db.execute(sql: "DELETE FROM jobEvent WHERE job = ?", arguments: [id])
  }

  /// Jobs that were removed before that time and of which only events are left.
  static func jobs(removedBefore time: Date, limit: Int, _ db: Database) throws -> [JobID] {
    try JobID.fetchAll(
      db, sql: "SELECT job FROM jobEvent WHERE \"to\" IS NULL AND time <= ? ORDER BY time LIMIT ?",
      arguments: [time.stored, limit])
  }
}

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
      guard number >= oldest - 1 else {
        throw StoreError.missing("events before number \(oldest) are no longer kept")
      }
      let rows = try Row.fetchAll(
        db, sql: "SELECT * FROM jobEvent WHERE number > ? ORDER BY number LIMIT ?", arguments: [number, limit])
      return rows.compactMap { row in try? JobEvent(row: row) }
    }
  }

  package func oldestEvent() throws -> Int64 { try read(Self.oldestEvent) }

  private static func oldestEvent(_ db: Database) throws -> Int64 {
    let value = try DatabaseValue.fetchOne(db, sql: "SELECT value FROM sequence WHERE name = 'oldestEvent'")
    return min(max(1, value.flatMap(Int64.fromDatabaseValue) ?? 1), Int64(StoredBounds.number))
  }

  package func removeEvents(before time: Date, limit: Int) throws -> Int {
    let (oldest, rows) = try read { db in
      let oldest = try Self.oldestEvent(db)
      let rows = try Row.fetchAll(
        db, sql: "SELECT number, time FROM jobEvent WHERE number >= ? ORDER BY number LIMIT ?",
        arguments: [oldest, limit])
      return (oldest, rows)
    }
    // A time that no store of ours writes is older than any.
    let old = rows.prefix { row in JobRow.Form.time(row["time"]).map { $0 < time } ?? true }
    guard let last = old.last.flatMap({ Int64.fromDatabaseValue($0["number"]) }), last < StoredBounds.number else {
      return 0
    }
    try write { db in
      try db.execute(sql: "UPDATE sequence SET value = ? WHERE name = 'oldestEvent'", arguments: [last + 1])
      try db.execute(
        sql: """
          DELETE FROM jobEvent WHERE number BETWEEN ? AND ? AND NOT EXISTS (SELECT 1 FROM job WHERE id = jobEvent.job)
          """, arguments: [oldest, last])
    }
    return old.count
  }

  /// Removes what is left of the events of a job whose record goes; those that are not old enough go later.
  static func removeOldEvents(of id: JobID, _ db: Database) throws {
    try db.execute(
      sql: "DELETE FROM jobEvent WHERE job = ? AND number < (SELECT value FROM sequence WHERE name = 'oldestEvent')",
      arguments: [id])
  }
}

import Foundation
import GRDB
import JobModel
import JobStore

extension SQLiteJobStore {
  package func jobs(withoutExitCodeSince time: Date, limit: Int) throws -> [Job] {
    let latest = try read { db in
      try JobRow.fetchAll(
        db,
        sql: """
          SELECT * FROM job WHERE endedAt >= ? AND exitCode IS NULL AND backendID IS NOT NULL
          ORDER BY endedAt DESC LIMIT ?
          """,
        arguments: [time.stored, limit], now: clock.date)
    }
    return latest.compactMap(\.job).reversed()
  }
}

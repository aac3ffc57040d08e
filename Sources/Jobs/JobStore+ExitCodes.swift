import Foundation
import GRDB

extension JobStore {
  /// The latest jobs that ended since then and whose exit code is not known, in the order of their ends.
  func jobs(withoutExitCodeSince time: Date, limit: Int) throws -> [Job] {
    let latest = try database.read { db in
      try Job.filter(Column("endedAt") >= time && Column("exitCode") == nil && Column("backendID") != nil)
        .order(Column("endedAt").desc).limit(limit).fetchAll(db)
    }
    return latest.reversed()
  }
}

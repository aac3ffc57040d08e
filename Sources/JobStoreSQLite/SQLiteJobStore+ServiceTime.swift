import Foundation
import GRDB
import JobStore

extension SQLiteJobStore {
  package func serviceTime() throws -> Date? {
    try read { db in
      try DatabaseValue.fetchOne(db, sql: "SELECT time FROM serviceTime").flatMap(JobRow.Form.time)
    }
  }

  package func keep(serviceTime time: Date) throws {
    try write { db in
      try db.execute(sql: "INSERT OR REPLACE INTO serviceTime (id, time) VALUES (0, ?)", arguments: [time.stored])
    }
  }
}

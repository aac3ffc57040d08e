import GRDB
import JobModel

// Jobs and their events as rows.

extension JobID: DatabaseValueConvertible {}

extension Job: FetchableRecord, PersistableRecord {
  public static let databaseTableName = "job"
}

extension JobEvent: FetchableRecord, MutablePersistableRecord {
  public static let databaseTableName = "jobEvent"

  public mutating func didInsert(_ inserted: InsertionSuccess) { id = inserted.rowID }
}

import GRDB
import JobStore

extension StoreError {
  /// What SQLite's failure means for the store.
  init(_ error: DatabaseError) {
    // The statement is left out: it may hold what users wrote.
    // So may what GRDB says of a row that belongs to no other.
    let isDangling = error.extendedResultCode == .SQLITE_CONSTRAINT_FOREIGNKEY
    let words = isDangling ? "a row belongs to no job" : error.message ?? "\(error.resultCode)"
    switch error.resultCode {
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged(words)
    case .SQLITE_FULL, .SQLITE_READONLY, .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_NOMEM:
      self = .unwritable(words)
    default: self = .unusable(words)
    }
  }

  /// What a failure means that may be one of SQLite.
  static func reading(_ error: any Error) -> StoreError {
    (error as? DatabaseError).map { StoreError($0) } ?? StoreError(error)
  }
}

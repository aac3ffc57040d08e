import Foundation
import GRDB
import JobModel
import JobStore

extension SQLiteJobStore {
  package func payload(of id: JobID) async throws -> (payload: [UInt8], shownScript: String)? {
    let row = try await read { db -> (sealed: DatabaseValue, shown: DatabaseValue)? in
      try Row.fetchOne(
        db,
        sql: """
          SELECT sealed, (SELECT text FROM shownScript WHERE shownScript.job = payload.job) FROM payload WHERE job = ?
          """, arguments: [id]
      ).map { ($0[0], $0[1]) }
    }
    guard let row else { return nil }
    guard let sealed = Data.fromDatabaseValue(row.sealed), let plain = seal.open(sealed) else {
      if !health.isNoted(StoreHealth.decryption) {
        health.note(
          StoreHealth.decryption,
          "the script of a waiting job cannot be decrypted, and the job fails: seal.key is not the key of this database, or the record is damaged"
        )
      }
      throw StoreError.missing(
        "its script cannot be decrypted: seal.key is not the key that it was stored with, or the record is damaged")
    }
    guard let shown = String.fromDatabaseValue(row.shown) else {
      throw StoreError.missing("its redacted script is missing from the store")
    }
    return (plain, shown)
  }

  /// Notes whether scripts of waiting jobs cannot be decrypted, as far as the smaller ones tell: at the start, and again
  /// while there are some.
  func examineSeal() throws { note(try read { [seal] db in try Self.undecryptable(db, seal) }) }

  package func examineSealAgain() async throws {
    guard health.isNoted(StoreHealth.decryption) else { return }
    note(try await read { [seal] db in try Self.undecryptable(db, seal) })
  }

  private static func undecryptable(_ db: Database, _ seal: Seal) throws -> (lost: Int, all: Int) {
    let sealed = try DatabaseValue.fetchCursor(
      db, sql: "SELECT sealed FROM payload WHERE length(sealed) < 65536 LIMIT 1000")
    var (lost, all) = (0, 0)
    while let value = try sealed.next() {
      all += 1
      if Data.fromDatabaseValue(value).flatMap({ seal.open($0) }) == nil { lost += 1 }
    }
    return (lost, all)
  }

  private func note(_ count: (lost: Int, all: Int)) {
    guard count.lost > 0 else { return health.note(StoreHealth.decryption, nil) }
    let cause =
      seal.newKeyReason
      ?? (count.lost == count.all
        ? "seal.key is not the key of this database" : "their records or seal.key are damaged")
    health.note(
      StoreHealth.decryption,
      "the scripts of \(count.lost) waiting jobs cannot be decrypted, and these jobs fail: \(cause); to save them stop Weir and put the seal.key of the same backup in its place"
    )
  }
}

import Foundation
import GRDB

/// An end that was answered by /exitstatus and corrected afterwards.
public struct ToldEnd: Sendable, Equatable {
  public let ending: Ending
  /// Seconds.
  public let elapsed: Int

  /// Nil when the row is damaged.
  fileprivate init?(_ row: Row) {
    guard let ending = String.fromDatabaseValue(row["ending"]).flatMap(Ending.init(rawValue:)),
      let elapsed = Int.fromDatabaseValue(row["elapsed"]), (0...StoredBounds.count).contains(elapsed)
    else { return nil }
    (self.ending, self.elapsed) = (ending, elapsed)
  }
}

extension JobStore {
  /// The latest jobs that are over though nobody has seen them end; the first to be forgotten first.
  func jobs(withUnseenEnd count: Int) throws -> [Job] {
    try database.read { db in
      let rows = try JobRow.fetchAll(
        db, sql: "SELECT * FROM job WHERE \(Schema.hasUnseenEnd) ORDER BY endedAt DESC LIMIT ?", arguments: [count])
      return rows.compactMap(\.job).filter(\.isCorrectable).reversed()
    }
  }

  /// What was answered of a job's end before it was corrected; nil when nothing was.
  func toldEnd(of id: String) async throws -> ToldEnd? {
    try await database.read { db in
      try ToldEnd.fetchOne(db, sql: "SELECT ending, elapsed FROM toldEnd WHERE job = ?", arguments: [id])
    }
  }

  /// Follows the correction of an end.
  ///
  /// What was answered of the end stays answered: the upstream has acted on it. What was not is answered as it is now:
  /// its output, if it was kept, is read again once the job is over. Output of a job that lives is not removed.
  func correct(_ end: Job, to job: Job, _ db: Database) throws {
    try db.execute(
      sql: """
        INSERT OR IGNORE INTO toldEnd (job, ending, elapsed)
        SELECT job, ?, ? FROM retention WHERE job = ? AND answeredAt IS NOT NULL
        """, arguments: [(end.ending ?? .lost).rawValue, end.elapsed, job.id])
    if try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM toldEnd WHERE job = ?)", arguments: [job.id]) != true {
      unlink(outputFile(job.id))
    }
    guard !job.state.isTerminal else { return }
    try db.execute(sql: "DELETE FROM retention WHERE job = ? AND answeredAt IS NULL", arguments: [job.id])
    try db.execute(sql: "UPDATE retention SET due = NULL WHERE job = ?", arguments: [job.id])
  }
}

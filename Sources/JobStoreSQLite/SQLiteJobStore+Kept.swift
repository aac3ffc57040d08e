import Foundation
import GRDB
import JobModel
import JobStore

/// How many bytes are kept for a job beside its record.
struct KeptBytes: Sendable, Equatable {
  /// What it is to be run by, encrypted; until it is over.
  var script = 0
  /// What its submit is answered.
  var answer = 0
  /// Its archive.
  var input = 0
}

extension SQLiteJobStore {
  static func count(_ bytes: KeptBytes, of job: Job, _ db: Database) throws {
    try db.cachedStatement(
      sql: "INSERT INTO kept (job, owner, script, answer, input, output) VALUES (?, ?, ?, ?, ?, 0)"
    ).execute(arguments: [job.id, job.owner, bytes.script, bytes.answer, bytes.input])
  }

  /// Triggers count them with every change of a row.
  static func keptBytes(of owner: String, _ db: Database) throws -> OwnerBytes {
    let row = try Row.fetchOne(
      db.cachedStatement(sql: "SELECT fixed, output FROM keptByOwner WHERE owner = ?"), arguments: [owner])
    guard let row else { return OwnerBytes() }
    return OwnerBytes(fixed: Int.fromDatabaseValue(row[0]) ?? 0, output: Int.fromDatabaseValue(row[1]) ?? 0)
  }

  package func keptBytes(of owner: String) async throws -> OwnerBytes {
    try await read { db in try Self.keptBytes(of: owner, db) }
  }

  package func makeRoom(of owner: String, besides id: JobID, limit: Int) throws {
    guard limit > 0 else { return }
    try write { db in
      var kept = try Self.keptBytes(of: owner, db)
      guard kept.fixed + kept.output > limit else { return }
      let rows = try Row.fetchAll(
        db, sql: "SELECT job, output FROM kept WHERE owner = ? AND output > 0 AND job <> ? ORDER BY job",
        arguments: [owner, id])
      for row in rows where kept.fixed + kept.output > limit / 10 * 9 {
        guard let job = JobID.fromDatabaseValue(row[0]), let size = Int.fromDatabaseValue(row[1]) else { continue }
        unlink(outputFile(job))
        try db.execute(sql: "UPDATE kept SET output = 0 WHERE job = ?", arguments: [job])
        kept.output -= size
      }
    }
  }

  /// Counts copies of output that an earlier release has kept.
  static func countOutputs(in directory: StateDirectory, _ queue: DatabaseQueue) throws {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.output)) ?? []
    guard !names.isEmpty else { return }
    try queue.write { db in
      for name in names {
        var status = stat()
        guard lstat(directory.output + "/" + name, &status) == 0 else { continue }
        try db.execute(sql: "UPDATE kept SET output = ? WHERE job = ?", arguments: [Int(status.st_size), name])
      }
    }
  }
}

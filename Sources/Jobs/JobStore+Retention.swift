import Foundation
import GRDB

/// How long the output of a job that is over is kept, and what became of it.
struct Retention: Sendable, Equatable, Codable, FetchableRecord {
  let job: String
  /// When its removal is due, or due again; nil once it is done.
  var due: Date?
  /// When the output was first asked for.
  var answeredAt: Date?
  /// Since when the output is answered no more.
  var expiredAt: Date?
  /// How often its removal from the backend failed.
  var failures: Int
  var failure: String?
}

extension JobStore {
  func retention(of id: String) async throws -> Retention? {
    try await database.read { db in
      try Retention.fetchOne(db, sql: "SELECT * FROM retention WHERE job = ?", arguments: [id])
    }
  }

  /// Notes that output was asked for, which sets the time of its removal, once.
  /// - Returns: false when it expired meanwhile.
  func answered(_ id: String, at now: Date, due: Date) throws -> Bool {
    try database.write { db in
      try db.execute(
        sql: """
          INSERT INTO retention (job, due, answeredAt) VALUES (:job, :due, :now)
          ON CONFLICT (job) DO UPDATE SET due = :due, answeredAt = :now WHERE answeredAt IS NULL AND expiredAt IS NULL
          """, arguments: ["job": id, "due": due, "now": now])
      if db.changesCount > 0 { return true }
      return try Date.fetchOne(db, sql: "SELECT expiredAt FROM retention WHERE job = ?", arguments: [id]) == nil
    }
  }

  /// Ends answering with all output whose time is over, and returns the jobs, the longest due first.
  /// - Parameter now: by the service time, as all times of removals are.
  func expire(before now: Date, limit: Int) throws -> [Job] {
    let due = try database.read { db in
      try String.fetchAll(
        db,
        sql: """
          SELECT retention.job FROM retention JOIN job ON job.id = retention.job
          WHERE due <= ? AND NOT (\(Schema.isLiving)) ORDER BY due LIMIT ?
          """, arguments: [now, limit])
    }
    guard !due.isEmpty else { return [] }
    return try database.write { db in
      let marks = databaseQuestionMarks(count: due.count)
      try db.execute(
        sql: "UPDATE retention SET expiredAt = ? WHERE expiredAt IS NULL AND job IN (\(marks))",
        arguments: [now] + StatementArguments(due))
      return try Job.fetchAll(db, keys: due)
    }
  }

  /// Whether another job, whose output is still answered or still written, has its output in the same file: the numbers
  /// of one name share it.
  func sharesOutput(_ job: Job) async throws -> Bool {
    try await database.read { db in
      try Bool.fetchOne(
        db,
        sql: """
          SELECT EXISTS (
            SELECT 1 FROM job LEFT JOIN retention ON retention.job = job.id
            WHERE name = ? AND job.id <> ? AND account = ? AND outputPath IS ? AND expiredAt IS NULL)
          """, arguments: [job.name, job.id, job.account, job.outputPath]) ?? true
    }
  }

  /// Notes that output is gone from the backend; the kept copy, the archive it was submitted with and the shown script go with it.
  func removedOutput(of job: Job, event: JobEvent) throws {
    unlink(outputFile(job.id))
    unlink(inputFile(job.id))
    Checkpoint.reach("removal.copy-removed")
    try database.write { db in
      try db.execute(sql: "UPDATE retention SET due = NULL, failure = NULL WHERE job = ?", arguments: [job.id])
      try db.execute(sql: "DELETE FROM shownScript WHERE job = ?", arguments: [job.id])
      var event = event
      try event.insert(db)
    }
  }

  /// Notes that output could not be removed, and when that is tried again. The first failure, and every other one, is an
  /// event.
  func failedRemoval(of job: Job, reason: String, retry: (_ failures: Int) -> Date, event: JobEvent) throws {
    try database.write { db in
      let known = try Retention.fetchOne(db, sql: "SELECT * FROM retention WHERE job = ?", arguments: [job.id])
      let failures = (known?.failures ?? 0) + 1
      try db.execute(
        sql: "UPDATE retention SET due = ?, failures = ?, failure = ? WHERE job = ?",
        arguments: [retry(failures), failures, reason, job.id])
      if known?.failure != reason {
        var event = event
        try event.insert(db)
      }
    }
  }

  /// How many removals failed at least that often and are still due, and why the latest of them failed.
  func failedRemovals(atLeast failures: Int) async throws -> (count: Int, reason: String)? {
    try await database.read { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT count(*), failure, max(due) FROM retention
          WHERE due IS NOT NULL AND failures > 0 AND failures >= ?
          """,
        arguments: [failures])
      guard let row, let count = row[0] as Int?, count > 0 else { return nil }
      return (count, row[1] ?? "")
    }
  }

  // MARK: Kept output

  func outputFile(_ id: String) -> String { directory.output + "/" + id }

  /// The kept output of a job that is over; nil until it was kept.
  func keptOutput(of id: String) throws -> [UInt8]? {
    do { return [UInt8](try Data(contentsOf: URL(fileURLWithPath: outputFile(id)))) } catch CocoaError
      .fileReadNoSuchFile
    {
      return nil
    }
  }

  /// Keeps the output of a job that is over. The first to be kept stays, unless its room is needed.
  func keep(output: [UInt8], of id: String) throws -> [UInt8] {
    if let kept = try keptOutput(of: id) { return kept }
    try Files.write(output, to: outputFile(id))
    Checkpoint.reach("output.kept")
    let count = keptBytes.withLock { bytes in
      bytes = bytes.map { $0 + output.count }
      return bytes
    }
    if count.map({ $0 > outputLimit }) ?? true { try makeRoom() }
    return output
  }

  /// Counts what is kept, and if that is too much, removes a tenth of it and more, the oldest first: it is read from the
  /// backend again when somebody asks for it.
  private func makeRoom() throws {
    let output = URL(fileURLWithPath: directory.output)
    let known: [URLResourceKey] = [.fileSizeKey, .contentModificationDateKey]
    let files = try FileManager.default.contentsOfDirectory(at: output, includingPropertiesForKeys: known).map { file in
      let values = try? file.resourceValues(forKeys: Set(known))
      return (file: file, size: values?.fileSize ?? 0, date: values?.contentModificationDate ?? .distantPast)
    }
    var total = files.reduce(0) { $0 + $1.size }
    if total > outputLimit {
      for (file, size, _) in files.sorted(by: { $0.date < $1.date }) where total > outputLimit / 10 * 9 {
        unlink(file.path)
        total -= size
      }
    }
    keptBytes.withLock { $0 = total }
  }
}

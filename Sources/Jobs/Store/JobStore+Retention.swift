import Foundation
import GRDB
import JobModel

/// How long the output of a job that is over is kept, and what became of it.
struct Retention: Sendable, Equatable {
  let job: JobID
  /// When its removal is due, or due again; nil once it is done.
  var due: Date?
  /// When the output was first asked for.
  var answeredAt: Date?
  /// Since when the output is answered no more.
  var expiredAt: Date?
  /// The service time since which only the files of the job are kept; nil before its output went, and once they are gone.
  var filesSince: Date?
  /// How often its removal from the backend failed.
  var failures: Int
  var failure: String?
}

extension Retention {
  /// A damaged time counts as one that is long past: whether output was removed already is not known then.
  init?(_ row: Row?) {
    func time(_ column: String) -> Date? {
      let value: DatabaseValue = row?[column] ?? .null
      return value.isNull ? nil : JobRow.Form.time(value) ?? Date(timeIntervalSince1970: 0)
    }
    guard let row, let job = String.fromDatabaseValue(row["job"]) else { return nil }
    self.job = JobID(rawValue: job)
    (due, answeredAt, expiredAt) = (time("due"), time("answeredAt"), time("expiredAt"))
    filesSince = time("filesSince")
    failures = min(max(0, Int.fromDatabaseValue(row["failures"]) ?? 0), StoredBounds.count)
    failure = String.fromDatabaseValue(row["failure"])
  }

  /// Whether files of the job are still kept.
  /// - Parameter time: the service time.
  func hasFiles(at time: Date, keptFor seconds: TimeInterval) -> Bool {
    expiredAt == nil || due != nil || filesSince.map { time < $0 + seconds } ?? false
  }

  static func fetchOne(_ db: Database, _ id: JobID) throws -> Retention? {
    try Retention(Row.fetchOne(db, sql: "SELECT * FROM retention WHERE job = ?", arguments: [id]))
  }
}

extension JobStore {
  func retention(of id: JobID) async throws -> Retention? {
    try await database.read { db in try Retention.fetchOne(db, id) }
  }

  /// Notes that output was asked for, which sets the time of its removal, once.
  /// - Parameter size: bytes of the copy that is kept.
  /// - Returns: false when it expired meanwhile.
  func answered(_ id: JobID, size: Int, at now: Date, due: Date) throws -> Bool {
    try database.write { db in
      try db.execute(sql: "UPDATE kept SET output = ? WHERE job = ?", arguments: [size, id])
      try db.execute(
        sql: """
          INSERT INTO retention (job, due, answeredAt) VALUES (:job, :due, :now)
          ON CONFLICT (job) DO UPDATE SET due = :due, answeredAt = :now WHERE answeredAt IS NULL AND expiredAt IS NULL
          """, arguments: ["job": id, "due": due.stored, "now": now.stored])
      if db.changesCount > 0 { return true }
      return try Retention.fetchOne(db, id)?.expiredAt == nil
    }
  }

  /// Ends answering with all output whose time is over, and returns the jobs, the longest due first. A time that no
  /// store of ours writes is never due, and a job whose record is damaged is tried again a day later.
  /// - Parameter now: by the service time, as all times of removals are.
  func expire(before now: Date, limit: Int) throws -> [Job] {
    let due = try database.read { db in
      try JobID.fetchAll(
        db,
        sql: """
          SELECT retention.job FROM retention LEFT JOIN job ON job.id = retention.job
          WHERE due <= ? AND due >= '1970' AND typeof(due) = 'text' AND typeof(retention.job) = 'text'
            AND (job.id IS NULL OR NOT (\(Schema.isLiving)))
          ORDER BY due LIMIT ?
          """,
        arguments: [now.stored, limit])
    }
    guard !due.isEmpty else { return [] }
    return try database.write { db in
      let marks = databaseQuestionMarks(count: due.count)
      let jobs = try JobRow.fetchAll(
        db, sql: "SELECT * FROM job WHERE id IN (\(marks))", arguments: StatementArguments(due), now: clock.date
      ).compactMap(\.job)
      let readable = Set(jobs.map(\.id))
      for id in due where !readable.contains(id) {
        try db.execute(
          sql: "UPDATE retention SET due = ? WHERE job = ?", arguments: [(now + 86_400).stored, id])
      }
      try db.execute(
        sql: "UPDATE retention SET expiredAt = ? WHERE expiredAt IS NULL AND job IN (\(marks))",
        arguments: [now.stored] + StatementArguments(due))
      return jobs
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
  /// - Parameter filesSince: the service time from which on the job's files are kept; nil where the backend keeps none.
  func removedOutput(of job: Job, filesSince: Date?, event: JobEvent) throws {
    unlink(outputFile(job.id))
    unlink(inputFile(job.id))
    Checkpoint.reach("removal.copy-removed")
    try database.write { db in
      try db.execute(
        sql: "UPDATE retention SET due = NULL, filesSince = ?, failures = 0, failure = NULL WHERE job = ?",
        arguments: [filesSince?.stored, job.id])
      try db.execute(sql: "DELETE FROM kept WHERE job = ?", arguments: [job.id])
      try db.execute(sql: "DELETE FROM shownScript WHERE job = ?", arguments: [job.id])
      var event = event.bounded(at: clock.date)
      try event.insert(db)
    }
  }

  /// The jobs whose files alone are kept since that service time or longer, the longest first.
  func jobs(withFilesSince time: Date, limit: Int) throws -> [Job] {
    try database.read { db in
      try JobRow.fetchAll(
        db,
        sql: """
          SELECT job.* FROM retention JOIN job ON job.id = retention.job
          WHERE filesSince <= ? AND filesSince >= '1970' AND typeof(filesSince) = 'text' AND due IS NULL
            AND NOT (\(Schema.isLiving))
          ORDER BY filesSince LIMIT ?
          """,
        arguments: [time.stored, limit], now: clock.date)
    }.compactMap(\.job)
  }

  /// Notes that the files of a job are gone from the backend.
  func removedFiles(of job: Job, event: JobEvent) throws {
    try database.write { db in
      try db.execute(
        sql: "UPDATE retention SET filesSince = NULL, failures = 0, failure = NULL WHERE job = ?", arguments: [job.id])
      var event = event.bounded(at: clock.date)
      try event.insert(db)
    }
  }

  /// What of a job the backend keeps after its end.
  enum Remains: String, Sendable {
    case output
    case files

    /// The column by which they go.
    fileprivate var column: String { self == .output ? "due" : "filesSince" }
  }

  /// Notes that something could not be removed, and when that is tried again. The first failure, and every other one, is
  /// an event.
  func failedRemoval(
    of remains: Remains, _ job: Job, reason: String, retry: (_ failures: Int) -> Date, event: JobEvent
  ) throws {
    try database.write { db in
      let known = try Retention.fetchOne(db, job.id)
      let failures = (known?.failures ?? 0) + 1
      try db.execute(
        sql: "UPDATE retention SET \(remains.column) = ?, failures = ?, failure = ? WHERE job = ?",
        arguments: [retry(failures).stored, failures, StoredBounds.cut(reason, to: StoredBounds.reason), job.id])
      if known?.failure != reason {
        var event = event.bounded(at: clock.date)
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
          WHERE (due IS NOT NULL OR filesSince IS NOT NULL) AND failures > 0 AND failures >= ?
          """,
        arguments: [failures])
      guard let row, let count = Int.fromDatabaseValue(row[0]), count > 0 else { return nil }
      return (count, String.fromDatabaseValue(row[1]) ?? "")
    }
  }

  // MARK: Kept output

  func outputFile(_ id: JobID) -> String { directory.output + "/" + id.rawValue }

  /// The kept output of a job that is over; nil until it was kept, and when the copy cannot be read: then the backend is
  /// asked again.
  func keptOutput(of id: JobID) -> [UInt8]? { try? Files.read(outputFile(id), limit: .max) }

  /// Keeps the output of a job that is over. The first to be kept stays, unless its room is needed.
  func keep(output: [UInt8], of id: JobID) throws -> [UInt8] {
    if let kept = keptOutput(of: id) { return kept }
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
    var removed: [String] = []
    if total > outputLimit {
      for (file, size, _) in files.sorted(by: { $0.date < $1.date }) where total > outputLimit / 10 * 9 {
        unlink(file.path)
        total -= size
        removed.append(file.lastPathComponent)
      }
    }
    keptBytes.withLock { $0 = total }
    guard !removed.isEmpty else { return }
    try database.write { [removed] db in
      for id in removed { try db.execute(sql: "UPDATE kept SET output = 0 WHERE job = ?", arguments: [id]) }
    }
  }
}

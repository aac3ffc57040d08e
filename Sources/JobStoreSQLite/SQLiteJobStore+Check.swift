import Foundation
import GRDB
import JobModel
import JobStore

extension SQLiteJobStore {
  /// Looks through the store in a directory, also while a Weir uses it, and changes nothing.
  /// - Returns: all that is wrong, a sentence each; empty when nothing is.
  /// - Throws: ``StoreError`` when it cannot be examined.
  public static func check(directory path: String) throws(StoreError) -> [String] {
    do {
      let queue = try openForReading(path)
      defer { try? queue.close() }
      let formal = try queue.read { db in
        let formal = try faults(db, quick: false)
        // What is no whole database cannot be asked about more.
        return formal.isEmpty ? try dangling(db) : formal
      }
      guard formal.isEmpty else { return formal }
      return try inPresentForm(queue) { db in
        try damaged(db) + unlawful(db) + gaps(db) + miscounted(db) + unopenable(db, path) + missingInputs(db, path)
          + strayOutput(db, path)
      }
    } catch {
      throw .reading(error)
    }
  }

  /// Reads a database, or, where an earlier release wrote it, a copy that is brought to the present form; the copy is
  /// removed afterwards.
  private static func inPresentForm<Value>(_ queue: DatabaseQueue, _ body: (Database) throws -> Value) throws -> Value {
    let missing = try queue.read { try Schema.missing($0) }
    if missing.isEmpty { return try queue.read(body) }
    guard missing.count < Schema.migrator.migrations.count else { throw StoreError.damaged("the database is empty") }
    var template = Array((NSTemporaryDirectory() + "/weir-check-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else {
      throw StoreError.unwritable("no directory for a copy can be created: \(String(cString: strerror(errno)))")
    }
    let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    do { try copy(queue, to: directory + "/weir.sqlite") } catch {
      throw StoreError.unusable(
        "an earlier release wrote the store, and no copy to examine can be made in \(directory): \(StoreError.reading(error).summary); name a directory with room in TMPDIR"
      )
    }
    let copy = try DatabaseQueue(path: directory + "/weir.sqlite", configuration: configuration)
    defer { try? copy.close() }
    try Schema.migrator.migrate(copy)
    return try copy.read(body)
  }

  /// Writes a whole copy of the database in a directory, as it is at one moment, also while a Weir uses it.
  /// - Parameter withKey: whether the key of the waiting jobs' scripts is written beside it, as `<file>.seal.key`.
  /// - Returns: what a restore needs beside the copy, a sentence each.
  /// - Throws: ``StoreError``, also when the file is there already.
  public static func backup(
    directory path: String, to file: String, withKey: Bool = false
  ) throws(StoreError) -> [String] {
    do {
      let queue = try openForReading(path)
      defer { try? queue.close() }
      // Before the database, so that no script in the copy is older than the key beside it.
      var lacks: [String] = []
      if withKey {
        guard let key = try Files.read(path + "/seal.key", limit: 1024) else {
          throw StoreError.unusable("there is no \(path)/seal.key")
        }
        try Files.writeNew(key, to: file + ".seal.key")
      } else {
        lacks.append(
          "seal.key, without which waiting jobs fail after a restore, since their scripts cannot be decrypted; copy it to another safe place once, or use --with-key"
        )
      }
      do { try copy(queue, to: file) } catch {
        if withKey { unlink(file + ".seal.key") }
        throw error
      }
      let archives = try queue.read { db in
        try Int.fetchOne(db, sql: "SELECT count(*) FROM job WHERE input IS NOT NULL AND \(Schema.isLiving)") ?? 0
      }
      if archives > 0 {
        lacks.append("the archives of \(archives) jobs in inputs/, without which those that wait fail")
      }
      if FileManager.default.fileExists(atPath: path + "/known_hosts") {
        lacks.append("known_hosts, without which the next host key that is seen is trusted")
      }
      if FileManager.default.fileExists(atPath: path + "/local") {
        lacks.append("local/, the directories and output of jobs on this machine")
      }
      return lacks
    } catch {
      throw .reading(error)
    }
  }

  private static func openForReading(_ path: String) throws -> DatabaseQueue {
    let file = path + "/weir.sqlite"
    if let obstacle = StateDirectory.obstacle(toReading: path) { throw StoreError.unusable(obstacle) }
    var configuration = configuration
    configuration.readonly = true
    return try DatabaseQueue(path: file, configuration: configuration)
  }

  private static func dangling(_ db: Database) throws -> [String] {
    try Array(db.foreignKeyViolations().prefix(100)).map { violation in
      let row = violation.originRowID.map { "row \($0)" } ?? "a row"
      return "\(violation.originTable): \(row) belongs to no \(violation.destinationTable)"
    }
  }

  /// What no job of ours may be.
  private static let laws: [(law: String, broken: String)] = [
    ("has ended without an outcome", "NOT (\(Schema.isLiving)) AND (result IS NULL OR endedAt IS NULL)"),
    ("has not ended and has an outcome", "\(Schema.isLiving) AND (result IS NOT NULL OR endedAt IS NOT NULL)"),
    (
      "is in a state that does not exist",
      "state NOT IN (\(JobState.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")))"
    ),
    (
      "is in another state than its last event says",
      """
      state IS NOT coalesce((SELECT "to" FROM jobEvent WHERE job = checked.id ORDER BY number DESC LIMIT 1), 'submitting')
      """
    ),
    (
      "has a number that another job will have",
      "typeof(number) = 'integer' AND number > (SELECT value FROM sequence WHERE name = 'job')"
    ),
    (
      "has lost its name to a job that does not exist",
      "replacedBy IS NOT NULL AND NOT EXISTS (SELECT 1 FROM job AS later WHERE later.name = checked.name)"
    ),
    ("has an id of the backend and was never submitted", "backendID IS NOT NULL AND state = 'submitting'"),
    (
      "has ended and has no time for the removal of its output",
      "NOT (\(Schema.isLiving)) AND NOT EXISTS (SELECT 1 FROM retention WHERE job = checked.id)"
    ),
  ]

  private static func unlawful(_ db: Database) throws -> [String] {
    try laws.flatMap { law in
      try Row.fetchAll(db, sql: "SELECT * FROM job AS checked WHERE \(law.broken) LIMIT 100").map { row in
        "\(JobRow.subject(of: row)) \(law.law)"
      }
    }
  }

  /// Rows that hold what no store of ours writes.
  private static func damaged(_ db: Database) throws -> [String] {
    var faults: [String] = []
    let rows = try Row.fetchCursor(db, sql: "SELECT * FROM job")
    while let row = try rows.next(), faults.count < 100 {
      let read = JobRow(row, now: JobClock.system.date)
      if !read.faults.isEmpty { faults.append(read.stored.sentence) }
    }
    for (table, columns) in others {
      let rows = try Row.fetchCursor(db, sql: "SELECT * FROM \(table)")
      while let row = try rows.next(), faults.count < 200 {
        let wrong = columns.filter { !$0.1.accepts(row[$0.0]) }.map(\.0)
        if !wrong.isEmpty {
          let job = row.hasColumn("job") ? " of the job with the id \(String.fromDatabaseValue(row["job"]) ?? "?")" : ""
          faults.append("\(table)\(job): \(wrong.joined(separator: ", ")) is damaged")
        }
      }
    }
    return faults
  }

  /// The columns of the other tables that are read one row at a time.
  private static let others: [(String, [(String, JobRow.Form)])] = [
    (
      "retention",
      ["due", "answeredAt", "expiredAt", "filesSince"].map { ($0, .time(isOptional: true)) } + [
        ("failures", .whole(0...StoredBounds.count, isOptional: false)), ("failure", .text(isOptional: true)),
      ]
    ),
    (
      "toldEnd",
      [
        ("result", .word(Outcome.Result.allCases.map(\.rawValue), isOptional: false)),
        ("cause", .word(Outcome.Cause.allCases.map(\.rawValue), isOptional: false)),
        ("elapsed", .whole(0...StoredBounds.count, isOptional: false)),
      ]
    ),
    ("serviceTime", [("time", .time(isOptional: false))]), ("earlierAttempt", EarlierAttemptRow.columns),
    ("sequence", [("value", .whole(0...StoredBounds.number, isOptional: false))]),
    (
      "jobEvent",
      [
        ("time", .time(isOptional: false)), ("actor", .text(isOptional: false)), ("source", .text(isOptional: false)),
        ("from", .word(JobState.allCases.map(\.rawValue), isOptional: true)),
        ("to", .word(JobState.allCases.map(\.rawValue), isOptional: false)), ("reason", .text(isOptional: false)),
      ]
    ),
  ]

  /// Scripts of waiting jobs that cannot be decrypted, or are not there.
  private static func unopenable(_ db: Database, _ path: String) throws -> [String] {
    let without = try Row.fetchAll(
      db,
      sql: """
        SELECT * FROM job WHERE connector IN ('gpu', 'local') AND state IN ('submitting', 'held', 'queued')
          AND NOT EXISTS (SELECT 1 FROM payload WHERE payload.job = job.id) LIMIT 100
        """
    ).map { "\(JobRow.subject(of: $0)) waits, and the store does not have its script" }
    let count = try Int.fetchOne(db, sql: "SELECT count(*) FROM payload") ?? 0
    guard count > 0 else { return without }
    let seal: Seal
    do { seal = try Seal(reading: path + "/seal.key") } catch {
      return without + ["\(error): the scripts of \(count) waiting jobs cannot be decrypted"]
    }
    var faults = without
    let rows = try Row.fetchCursor(
      db, sql: "SELECT job.*, payload.sealed AS payload FROM payload JOIN job ON job.id = payload.job")
    while let row = try rows.next(), faults.count < 200 {
      if Data.fromDatabaseValue(row["payload"]).flatMap({ seal.open($0) }) == nil {
        faults.append("\(JobRow.subject(of: row)): its script cannot be decrypted with seal.key")
      }
    }
    return faults
  }

  /// Archives of jobs that are not over and may still be read.
  private static func missingInputs(_ db: Database, _ path: String) throws -> [String] {
    try Row.fetchAll(db, sql: "SELECT * FROM job WHERE input IS NOT NULL AND \(Schema.isLiving)").compactMap { row in
      let row = JobRow(row, now: JobClock.system.date)
      guard let job = row.job, let input = job.input else { return nil }
      var status = stat()
      let isThere = lstat(path + "/inputs/" + job.id.rawValue, &status) == 0 && Int(status.st_size) == input.size
      return isThere ? nil : "\(row.subject): its archive in inputs/ is missing, or not the one that was submitted"
    }
  }

  /// Events that are missing since the oldest that is kept.
  private static func gaps(_ db: Database) throws -> [String] {
    try Row.fetchAll(
      db,
      sql: """
        SELECT earlier + 1, number - 1 FROM
          (SELECT number, lag(number, 1, (SELECT value - 1 FROM sequence WHERE name = 'oldestEvent'))
            OVER (ORDER BY number) AS earlier
          FROM jobEvent WHERE number >= (SELECT value FROM sequence WHERE name = 'oldestEvent'))
        WHERE number > earlier + 1 LIMIT 100
        """
    ).map { row in "jobEvent: the events from \(row[0] as DatabaseValue) to \(row[1] as DatabaseValue) are missing" }
  }

  /// Sums that are not those of the rows.
  private static func miscounted(_ db: Database) throws -> [String] {
    try Row.fetchAll(
      db,
      sql: """
        SELECT kept.owner FROM kept LEFT JOIN keptByOwner ON keptByOwner.owner = kept.owner GROUP BY kept.owner
        HAVING sum(script + answer + input) IS NOT fixed OR sum(kept.output) IS NOT keptByOwner.output LIMIT 100
        """
    ).map { "the bytes kept for \(String.fromDatabaseValue($0[0]) ?? "?") are counted wrong" }
  }

  private static func strayOutput(_ db: Database, _ path: String) throws -> [String] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: path + "/output")) ?? []
    return try files.filter { !$0.hasSuffix(".new") }.filter { try !Job.exists(db, key: $0) }
      .map { "output/\($0) belongs to no job" }
  }
}

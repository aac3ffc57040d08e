import Foundation
import GRDB

/// The jobs on disk: SQLite in WAL mode, one transaction per event, every commit synced before it counts.
///
/// All calls block on the disk; ``Ledger`` makes them from a queue of its own.
public final class JobStore: Sendable {
  private let database: DatabasePool
  private let outputDirectory: URL

  /// Opens or creates the store in a directory, which is created readable by its owner alone.
  public init(directory: String) throws {
    let directory = URL(fileURLWithPath: directory, isDirectory: true)
    outputDirectory = directory.appendingPathComponent("output", isDirectory: true)
    try FileManager.default.createDirectory(
      at: outputDirectory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    var configuration = Configuration()
    configuration.label = "weir.store"
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
    database = try DatabasePool(
      path: directory.appendingPathComponent("weir.sqlite").path, configuration: configuration)
    try Self.migrator.migrate(database)
  }

  private static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("jobs") { db in
      try db.create(table: "job") { table in
        table.primaryKey("id", .text)
        table.column("name", .text).notNull()
        table.column("number", .integer).notNull()
        table.column("owner", .text).notNull()
        table.column("account", .text).notNull()
        table.column("connector", .text).notNull()
        table.column("submissionToken", .text).notNull().unique()
        table.column("fingerprint", .text).notNull()
        table.column("backendID", .text)
        table.column("outputPath", .text)
        table.column("state", .text).notNull().indexed()
        table.column("stateSource", .text).notNull()
        table.column("stateTime", .datetime).notNull()
        table.column("backendWord", .text)
        table.column("reason", .text).notNull()
        table.column("ending", .text)
        table.column("exitCode", .integer)
        table.column("signal", .integer)
        table.column("nodes", .text).notNull()
        table.column("elapsed", .integer).notNull()
        table.column("submittedAt", .datetime).notNull()
        table.column("startedAt", .datetime)
        table.column("endedAt", .datetime).indexed()
        table.column("missingSince", .datetime)
        table.uniqueKey(["name", "number"])
      }
      try db.create(table: "jobEvent") { table in
        table.autoIncrementedPrimaryKey("id")
        table.column("job", .text).notNull().indexed().references("job", onDelete: .cascade)
        table.column("time", .datetime).notNull()
        table.column("actor", .text).notNull()
        table.column("from", .text)
        table.column("to", .text).notNull()
        table.column("source", .text).notNull()
        table.column("reason", .text).notNull()
      }
      try db.create(table: "shownScript") { table in
        table.primaryKey("job", .text).references("job", onDelete: .cascade)
        table.column("text", .text).notNull()
      }
    }
    return migrator
  }

  /// The jobs that are not over, and those that ended at `since` or later.
  func jobs(livingOrEndedSince since: Date) throws -> [Job] {
    let terminal = JobState.allCases.filter(\.isTerminal).map(\.rawValue)
    return try database.read { db in
      try Job.filter(!terminal.contains(Column("state")) || Column("endedAt") >= since || Column("stateTime") >= since)
        .fetchAll(db)
    }
  }

  func job(_ key: JobKey) throws -> Job? {
    try database.read { db in
      try Job.filter(Column("name") == key.name && Column("number") == key.number).fetchOne(db)
    }
  }

  /// Writes a new job, in place of an earlier one of the same name and number that the backend never had.
  func insert(_ job: Job, shownScript: String, event: JobEvent) throws {
    try database.write { db in
      try Job.filter(Column("name") == job.name && Column("number") == job.number && Column("backendID") == nil)
        .deleteAll(db)
      try job.insert(db)
      Checkpoint.reach("submit.row-half-written")
      try db.execute(sql: "INSERT INTO shownScript (job, text) VALUES (?, ?)", arguments: [job.id, shownScript])
      var event = event
      try event.insert(db)
    }
  }

  /// Writes what changed of some jobs, and why, in one transaction.
  func save(_ changes: [(job: Job, event: JobEvent?)]) throws {
    try database.write { db in
      for change in changes {
        try change.job.update(db)
        Checkpoint.reach("store.half-written")
        if var event = change.event { try event.insert(db) }
      }
    }
  }

  func delete(_ id: String) throws {
    _ = try database.write { db in try Job.deleteOne(db, key: id) }
  }

  func shownScript(of id: String) throws -> String? {
    try database.read { db in
      try String.fetchOne(db, sql: "SELECT text FROM shownScript WHERE job = ?", arguments: [id])
    }
  }

  /// The transitions of a job, oldest first.
  public func events(of id: String) throws -> [JobEvent] {
    try database.read { db in try JobEvent.filter(Column("job") == id).order(Column("id")).fetchAll(db) }
  }

  /// The kept output of a job that is over; nil until it was kept.
  func keptOutput(of id: String) throws -> [UInt8]? {
    let file = outputDirectory.appendingPathComponent(id)
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    return [UInt8](try Data(contentsOf: file))
  }

  /// Keeps the output of a job that is over. The first to be kept stays.
  func keep(output: [UInt8], of id: String) throws -> [UInt8] {
    if let kept = try keptOutput(of: id) { return kept }
    try Data(output).write(to: outputDirectory.appendingPathComponent(id), options: .atomic)
    Checkpoint.reach("output.kept")
    return output
  }
}

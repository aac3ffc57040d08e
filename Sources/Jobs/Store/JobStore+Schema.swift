import Foundation
import GRDB
import JobModel

/// The tables, as they came to be. Changes only ever go forward, and what was released is never edited.
enum Schema {
  /// A partial index serves a query only if the words are the same.
  static let isLiving = "state NOT IN ('succeeded', 'failed', 'canceled', 'lost')"

  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("jobs", migrate: jobs)
    migrator.registerMigration("retention", migrate: retention)
    migrator.registerMigration("placement", migrate: placement)
    migrator.registerMigration("inputs", migrate: inputs)
    migrator.registerMigration("corrections", migrate: corrections)
    migrator.registerMigration("limits", migrate: limits)
    return migrator
  }

  @Sendable private static func jobs(_ db: Database) throws {
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

  /// Attempts, when output goes, keys that make a submit repeatable, and an index that does not grow with ended jobs.
  @Sendable private static func retention(_ db: Database) throws {
    try db.alter(table: "job") { table in
      table.add(column: "attempt", .integer).notNull().defaults(to: 1)
      table.add(column: "unknownSince", .datetime)
    }
    try db.execute(sql: "DROP INDEX IF EXISTS job_on_state")
    try db.execute(sql: "CREATE INDEX jobLiving ON job (id) WHERE \(isLiving)")
    try db.create(table: "idempotencyKey", options: .withoutRowID) { table in
      table.column("caller", .text).notNull()
      table.column("key", .text).notNull()
      table.column("job", .text).notNull().indexed().references("job", onDelete: .cascade)
      table.primaryKey(["caller", "key"])
    }
    try db.create(table: "retention") { table in
      table.primaryKey("job", .text).references("job", onDelete: .cascade)
      // When it is to be removed; nil once it is.
      table.column("due", .datetime)
      // When it was first asked for.
      table.column("answeredAt", .datetime)
      // Since when it is answered no more.
      table.column("expiredAt", .datetime)
      table.column("failures", .integer).notNull().defaults(to: 0)
      table.column("failure", .text)
    }
    try db.execute(sql: "CREATE INDEX retentionDue ON retention (due) WHERE due IS NOT NULL")
    try db.execute(sql: "CREATE INDEX retentionFailed ON retention (failures) WHERE failures > 0 AND due IS NOT NULL")
    // Whether output of earlier jobs was asked for is not known: it stays for as long as output that nobody asks for.
    try db.execute(
      sql: """
        INSERT INTO retention (job, due)
        SELECT id, strftime('%Y-%m-%d %H:%M:%f', 'now', '+8 days') FROM job WHERE NOT (\(isLiving))
        """)
  }

  /// What Weir's own queue needs to know of a job, and what it will be run by, sealed.
  @Sendable private static func placement(_ db: Database) throws {
    try db.alter(table: "job") { table in
      table.add(column: "priority", .integer).notNull().defaults(to: 0)
      table.add(column: "needs", .text)
      table.add(column: "devices", .text).notNull().defaults(to: "[]")
    }
    try db.create(table: "payload") { table in
      table.primaryKey("job", .text).references("job", onDelete: .cascade)
      table.column("sealed", .blob).notNull()
    }
  }

  /// What is known of the archive that a job was submitted with.
  @Sendable private static func inputs(_ db: Database) throws {
    try db.alter(table: "job") { table in table.add(column: "input", .text) }
  }

  /// What was answered about ends that were corrected later, and what intervals are measured by.
  @Sendable private static func corrections(_ db: Database) throws {
    try db.alter(table: "job") { table in table.add(column: "submittedStamp", .text) }
    try db.create(table: "toldEnd") { table in
      table.primaryKey("job", .text).references("job", onDelete: .cascade)
      table.column("ending", .text).notNull()
      table.column("elapsed", .integer).notNull()
    }
    try db.create(table: "serviceTime") { table in
      table.primaryKey("id", .integer).check { $0 == 0 }
      table.column("time", .datetime).notNull()
    }
    // Reads all of those that a later report may correct at each start.
    try db.execute(sql: "CREATE INDEX jobUnseenEnd ON job (endedAt) WHERE \(hasUnseenEnd)")
  }

  /// See ``Job/isCorrectable``.
  static let hasUnseenEnd = "state = 'lost' OR stateSource = '\(Job.administrator)'"

  /// What is kept for each owner, the age of keys, and when the files of a job go.
  @Sendable private static func limits(_ db: Database) throws {
    try db.alter(table: "idempotencyKey") { table in
      table.add(column: "owner", .text)
      table.add(column: "createdAt", .datetime)
    }
    try db.execute(
      sql: """
        UPDATE idempotencyKey SET createdAt = strftime('%Y-%m-%d %H:%M:%f', 'now'),
          owner = (SELECT owner FROM job WHERE job.id = idempotencyKey.job);
        CREATE INDEX idempotencyKeyOwner ON idempotencyKey (owner);
        CREATE INDEX idempotencyKeyAge ON idempotencyKey (createdAt);
        """)
    try db.create(table: "kept") { table in
      table.primaryKey("job", .text).references("job", onDelete: .cascade)
      table.column("owner", .text).notNull()
      for column in ["script", "answer", "input", "output"] { table.column(column, .integer).notNull() }
    }
    try db.create(table: "keptByOwner", options: .withoutRowID) { table in
      table.primaryKey("owner", .text)
      table.column("fixed", .integer).notNull()
      table.column("output", .integer).notNull()
    }
    // The sums follow every change of a row, also one by a reference.
    try db.execute(
      sql: """
        CREATE INDEX keptOutput ON kept (owner, job) WHERE output > 0;
        CREATE TRIGGER keptInserted AFTER INSERT ON kept BEGIN
          INSERT INTO keptByOwner VALUES (NEW.owner, NEW.script + NEW.answer + NEW.input, NEW.output)
          ON CONFLICT (owner) DO UPDATE SET fixed = fixed + excluded.fixed, output = output + excluded.output;
        END;
        CREATE TRIGGER keptUpdated AFTER UPDATE ON kept BEGIN
          UPDATE keptByOwner
          SET fixed = fixed + NEW.script + NEW.answer + NEW.input - OLD.script - OLD.answer - OLD.input,
            output = output + NEW.output - OLD.output
          WHERE owner = NEW.owner;
        END;
        CREATE TRIGGER keptDeleted AFTER DELETE ON kept BEGIN
          UPDATE keptByOwner
          SET fixed = fixed - OLD.script - OLD.answer - OLD.input, output = output - OLD.output
          WHERE owner = OLD.owner;
        END;
        INSERT INTO kept (job, owner, script, answer, input, output)
        SELECT job.id, job.owner, coalesce(length(payload.sealed), 0),
          coalesce(length(CAST(shownScript.text AS BLOB)), 0),
          CASE WHEN json_valid(job.input)
            THEN coalesce(CAST(json_extract(job.input, '$.size') AS INTEGER), 0) ELSE 0 END, 0
        FROM job LEFT JOIN payload ON payload.job = job.id JOIN shownScript ON shownScript.job = job.id;
        """)
    try db.alter(table: "retention") { table in table.add(column: "filesSince", .datetime) }
    try db.execute(
      sql: """
        DROP INDEX retentionFailed;
        CREATE INDEX retentionFailed ON retention (failures)
        WHERE failures > 0 AND (due IS NOT NULL OR filesSince IS NOT NULL);
        """)
    try db.execute(sql: "CREATE INDEX retentionFiles ON retention (filesSince) WHERE filesSince IS NOT NULL")
  }
}

extension JobStore {
  /// Brings the database of a directory to its present form, so that it can be opened: makes it where there is none,
  /// and refuses one that is damaged or newer than the program.
  static func prepare(_ directory: StateDirectory) throws {
    let path = directory.database
    if !FileManager.default.fileExists(atPath: path) {
      let log = try? FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? UInt64
      guard log ?? 0 == 0 else {
        throw StoreError.damaged("the file is missing, and its log weir.sqlite-wal exists")
      }
      try make(path)
    }
    let size = try checkHead(of: path)
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    defer { try? queue.close() }
    if size <= quickSize, let fault = try queue.read({ try faults($0, quick: true) }).first {
      throw StoreError.damaged(fault)
    }
    let missing = try queue.read { db in
      let known = Schema.migrator.migrations
      let applied = try Schema.migrator.appliedIdentifiers(db)
      let unknown = applied.subtracting(known)
      if !unknown.isEmpty { throw StoreError.newer(unknown.sorted()) }
      return known.filter { !applied.contains($0) }
    }
    if let next = missing.first {
      let copy = path + ".before-" + next
      // A copy that is there was made before an earlier try at the same change.
      if !FileManager.default.fileExists(atPath: copy) { try self.copy(queue, to: copy) }
      try Schema.migrator.migrate(queue)
      if missing.contains("limits") { try countOutputs(in: directory, queue) }
    }
  }

  /// Makes a new database beside its place and moves it there once it is whole: so a file that is not whole was damaged.
  private static func make(_ path: String) throws {
    let new = path + ".new"
    for file in [new, new + "-wal", new + "-shm", new + "-journal"] { unlink(file) }
    let fd = open(new, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else {
      throw StoreError.unwritable("\(new) cannot be created: \(String(cString: strerror(errno)))")
    }
    close(fd)
    let queue = try DatabaseQueue(path: new, configuration: configuration)
    try Schema.migrator.migrate(queue)
    try queue.close()
    try Files.rename(new, to: path)
  }

  /// Databases up to this many bytes are looked through before they are used; larger ones while they are in use, since
  /// that takes seconds.
  static let quickSize: UInt64 = 16 << 20

  /// Refuses a file that SQLite would take for something else: an empty one it would make a new database of.
  /// - Returns: its size in bytes.
  private static func checkHead(of path: String) throws -> UInt64 {
    guard let file = FileHandle(forReadingAtPath: path) else { throw StoreError.unusable("\(path) cannot be read") }
    defer { try? file.close() }
    let head = try file.read(upToCount: 16) ?? Data()
    guard head == Data("SQLite format 3\0".utf8) else {
      throw StoreError.damaged(head.isEmpty ? "the file is empty" : "the file is not a SQLite database")
    }
    return try file.seekToEnd()
  }

  /// What SQLite finds wrong with the form of a database; none when it is whole.
  /// - Parameter quick: without comparing the indexes with their tables.
  static func faults(_ db: Database, quick: Bool) throws -> [String] {
    let pragma = quick ? "PRAGMA quick_check(10)" : "PRAGMA integrity_check(100)"
    return try String.fetchAll(db, sql: pragma).filter { $0 != "ok" }
  }

  /// Whether the database was not looked through before it was opened.
  var isLarge: Bool {
    let size = try? FileManager.default.attributesOfItem(atPath: directory.database)[.size] as? UInt64
    return size ?? 0 > Self.quickSize
  }

  /// Looks through the whole database while it is in use.
  func quickCheck() async throws -> [String] {
    try await database.read { db in try Self.faults(db, quick: true) }
  }

  /// Writes a whole copy of a database, as it is at one moment, to a file that is not there yet; readable by us alone.
  static func copy(_ reader: some DatabaseReader, to path: String) throws {
    let partial = path + ".partial"
    unlink(partial)
    defer { unlink(partial) }
    let fd = open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard fd >= 0 else {
      throw StoreError.unwritable("\(partial) cannot be created: \(String(cString: strerror(errno)))")
    }
    defer { close(fd) }
    // Into an empty file VACUUM INTO writes, into any other it does not.
    try reader.unsafeRead { db in try db.execute(sql: "VACUUM INTO ?", arguments: [partial]) }
    guard fsync(fd) == 0 else { throw StoreError.unwritable(String(cString: strerror(errno))) }
    guard link(partial, path) == 0 else {
      throw errno == EEXIST
        ? StoreError.unusable("\(path) already exists, and is not overwritten")
        : StoreError.unwritable("\(path) cannot be created: \(String(cString: strerror(errno)))")
    }
    try Files.syncDirectory(of: path)
  }
}

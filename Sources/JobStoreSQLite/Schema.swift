import GRDB
import JobModel
import JobStore

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
    migrator.registerMigration("identity", migrate: identity)
    return migrator
  }

  /// The migrations that a database still has to make.
  /// - Throws: ``StoreError/newer(_:)`` when it made some that are not known here.
  static func missing(_ db: Database) throws -> [String] {
    let known = migrator.migrations
    let applied = try migrator.appliedIdentifiers(db)
    let unknown = applied.subtracting(known)
    if !unknown.isEmpty { throw StoreError.newer(unknown.sorted()) }
    return known.filter { !applied.contains($0) }
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
    try db.execute(sql: "CREATE INDEX jobUnseenEnd ON job (endedAt) WHERE \(hasUnseenEndBefore)")
  }

  /// See ``Job/isCorrectable``. What a partial index is made by stays as it was in its migration.
  private static let hasUnseenEndBefore = "state = 'lost' OR stateSource = '\(Job.administrator)'"
  static let hasUnseenEnd = "state = 'lost' OR seenBy = '\(Job.administrator)'"

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

import GRDB
import JobModel

extension Schema {
  /// A number of its own for each job, the version that a write expects, earlier attempts as rows, events without gaps,
  /// and how a job ended in the words of ``Outcome``.
  ///
  /// The job table is made anew, as SQLite's manual describes it (ALTER TABLE, "Making Other Kinds Of Table Schema
  /// Changes"): foreign keys are checked at the end, by GRDB.
  @Sendable static func identity(_ db: Database) throws {
    try removeOrphans(db)
    try makeSequences(db)
    try makeJobs(db)
    try makeAttempts(db)
    try makeEvents(db)
    try makeToldEnds(db)
  }

  /// Rows that belong to no job, which SQLite lets come to be where foreign keys are off, would stop the migration.
  private static func removeOrphans(_ db: Database) throws {
    for table in ["shownScript", "idempotencyKey", "retention", "payload", "toldEnd", "kept"] {
      try db.execute(sql: "DELETE FROM \(table) WHERE job NOT IN (SELECT id FROM job)")
    }
  }

  private static func makeSequences(_ db: Database) throws {
    // The number of a job that was given out last, and the oldest event since which there is no gap.
    try db.create(table: "sequence", options: .withoutRowID) { table in
      table.primaryKey("name", .text)
      table.column("value", .integer).notNull()
    }
    try db.execute(
      sql: """
        INSERT INTO sequence VALUES ('job', (SELECT count(*) FROM job)),
          ('oldestEvent', (SELECT coalesce(max(id), 0) + 1 FROM jobEvent))
        """)
  }

  private static func makeJobs(_ db: Database) throws {
    try db.create(table: "newJob") { table in
      table.primaryKey("id", .text)
      table.column("number", .integer).notNull().unique()
      table.column("version", .integer).notNull()
      // The upstream's name for it, until another job has it.
      table.column("name", .text).notNull()
      table.column("upstreamNumber", .integer).notNull()
      table.column("replacedBy", .text)
      table.column("owner", .text).notNull()
      table.column("account", .text).notNull()
      table.column("connector", .text).notNull()
      table.column("submissionToken", .text).notNull().unique()
      table.column("fingerprint", .text).notNull()
      table.column("state", .text).notNull()
      table.column("inDoubtSince", .datetime)
      table.column("queuedSince", .datetime)
      table.column("heldBy", .text)
      table.column("result", .text)
      table.column("cause", .text)
      table.column("exitCode", .integer)
      table.column("signal", .integer)
      table.column("seenBy", .text).notNull()
      table.column("seenAt", .datetime).notNull()
      table.column("unreachableSince", .datetime)
      table.column("backendWord", .text)
      table.column("reason", .text).notNull()
      table.column("attempt", .integer).notNull()
      attemptColumns(table)
      table.column("submittedAt", .datetime).notNull()
      table.column("submittedStamp", .text)
      table.column("priority", .integer).notNull()
      table.column("resources", .text)
      table.column("input", .text)
      table.column("terms", .text)
    }
    // `unknown` was a state of its own: the backend used a word that Weir does not know. What waits in Weir's own queue and
    // may not have been meant to start is started by nobody.
    try db.execute(
      sql: """
        INSERT INTO newJob (id, number, version, name, upstreamNumber, owner, account, connector, submissionToken,
          fingerprint, state, heldBy, inDoubtSince, result, cause, exitCode, signal, seenBy, seenAt, unreachableSince,
          backendWord, reason, attempt, backendID, outputPath, nodes, devices, elapsed, startedAt, endedAt, submittedAt,
          submittedStamp, priority, resources, input)
        SELECT id, row_number() OVER (ORDER BY id), 1, name, number, owner, account, connector, submissionToken,
          fingerprint, CASE WHEN state <> 'unknown' THEN state WHEN \(hasMachine) THEN 'running'
            WHEN connector IN ('gpu', 'local') THEN 'held' ELSE 'queued' END,
          iif(state = 'unknown' AND NOT (\(hasMachine)) AND connector IN ('gpu', 'local'), 'system', NULL),
          missingSince, \(result), \(cause), exitCode, signal, stateSource, stateTime,
          CASE state WHEN 'unknown' THEN coalesce(unknownSince, stateTime) ELSE unknownSince END,
          backendWord, reason, attempt, backendID, outputPath, nodes, devices, elapsed, startedAt, endedAt, submittedAt,
          submittedStamp, priority, needs, input FROM job;
        DROP TABLE job;
        ALTER TABLE newJob RENAME TO job;
        CREATE INDEX jobLiving ON job (id) WHERE \(isLiving);
        CREATE INDEX jobEndedAt ON job (endedAt);
        CREATE INDEX jobUnseenEnd ON job (endedAt) WHERE \(hasUnseenEnd);
        CREATE UNIQUE INDEX jobUpstreamName ON job (name, upstreamNumber) WHERE \(holdsName);
        CREATE INDEX jobReplaced ON job (name, upstreamNumber) WHERE replacedBy IS NOT NULL;
        CREATE INDEX jobReplacedBy ON job (replacedBy) WHERE replacedBy IS NOT NULL;
        """)
  }

  /// Of the jobs that had an upstream's name the one that has it now.
  static let holdsName = "replacedBy IS NULL"

  private static let hasMachine = "startedAt IS NOT NULL OR nodes <> '[]'"

  private static let result = """
    CASE ending WHEN 'completed' THEN 'succeeded' WHEN 'canceled' THEN 'canceled' WHEN 'lost' THEN 'lost'
      ELSE iif(ending IS NULL, NULL, 'failed') END
    """

  private static let cause = """
    CASE ending WHEN 'canceled' THEN iif(stateSource = '\(Job.administrator)', 'canceled_by_admin', 'canceled_by_user')
      WHEN 'failed' THEN CASE WHEN signal IS NOT NULL THEN 'signal' WHEN coalesce(exitCode, 0) <> 0 THEN 'exit_code'
        ELSE 'none' END
      ELSE \(plainCause) END
    """

  /// The cause that the ending alone tells; a word that is damaged stays.
  private static let plainCause = """
    CASE ending WHEN 'completed' THEN 'none' WHEN 'failed' THEN 'none' WHEN 'canceled' THEN 'canceled_by_user'
      WHEN 'outOfMemory' THEN 'out_of_memory' WHEN 'nodeFailure' THEN 'node_failure' WHEN 'bootFailure' THEN 'launch_failed'
      WHEN 'timeLimit' THEN 'time_limit' ELSE ending END
    """

  private static func attemptColumns(_ table: TableDefinition) {
    table.column("backendID", .text)
    table.column("outputPath", .text)
    table.column("nodes", .text).notNull()
    table.column("devices", .text).notNull()
    table.column("elapsed", .integer).notNull()
    table.column("startedAt", .datetime)
    table.column("endedAt", .datetime)
  }

  /// Attempts that others followed; the last one of a job is in its own row.
  private static func makeAttempts(_ db: Database) throws {
    try db.create(table: "earlierAttempt", options: .withoutRowID) { table in
      table.column("job", .text).notNull().references("job", onDelete: .cascade)
      table.column("number", .integer).notNull()
      attemptColumns(table)
      table.column("reason", .text).notNull()
      table.primaryKey(["job", "number"])
    }
  }

  private static func makeEvents(_ db: Database) throws {
    try db.create(table: "newEvent") { table in
      table.autoIncrementedPrimaryKey("number")
      table.column("job", .text).notNull()
      table.column("time", .datetime).notNull()
      table.column("actor", .text).notNull()
      table.column("from", .text)
      table.column("to", .text).notNull()
      table.column("source", .text).notNull()
      table.column("reason", .text).notNull()
    }
    try db.execute(
      sql: """
        INSERT INTO newEvent (number, job, time, actor, "from", "to", source, reason)
        SELECT id, job, time, actor, "from", "to", source, reason FROM jobEvent;
        CREATE INDEX jobEventJob ON newEvent (job);
        DROP TABLE jobEvent;
        ALTER TABLE newEvent RENAME TO jobEvent;
        """)
    // What was `unknown` is the state that was known before; the last event of a job says in which state it is.
    try db.execute(
      sql: """
        UPDATE jobEvent SET "to" = coalesce((SELECT state FROM job WHERE id = jobEvent.job), 'queued')
        WHERE "to" = 'unknown' AND number = (SELECT max(number) FROM jobEvent AS other WHERE other.job = jobEvent.job);
        UPDATE jobEvent SET "to" = coalesce(
          (SELECT "to" FROM jobEvent AS other
           WHERE other.job = jobEvent.job AND other.number < jobEvent.number AND "to" <> 'unknown'
           ORDER BY number DESC LIMIT 1), 'queued')
        WHERE "to" = 'unknown';
        UPDATE jobEvent SET "from" = coalesce(
          (SELECT "to" FROM jobEvent AS other
           WHERE other.job = jobEvent.job AND other.number < jobEvent.number ORDER BY number DESC LIMIT 1), 'queued')
        WHERE "from" = 'unknown';
        """)
  }

  private static func makeToldEnds(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE newToldEnd (job TEXT PRIMARY KEY NOT NULL REFERENCES job(id) ON DELETE CASCADE,
          result TEXT NOT NULL, cause TEXT NOT NULL, elapsed INTEGER NOT NULL);
        INSERT INTO newToldEnd SELECT job, coalesce(\(result), ''), coalesce(\(plainCause), ''), elapsed FROM toldEnd;
        DROP TABLE toldEnd;
        ALTER TABLE newToldEnd RENAME TO toldEnd;
        """)
  }
}

import Foundation
import GRDB
import JobModel
import Synchronization

/// The jobs on disk: SQLite in WAL mode, one transaction per event, every commit synced before it counts.
///
/// Calls that write block until the disk has it; ``Ledger`` makes them from a queue of its own.
public final class JobStore: Sendable {
  /// What is written of a job in one transaction: the job, why it changed, and once it is over when its output may go.
  struct Change: Sendable {
    var job: Job
    var events: [JobEvent] = []
    var outputDue: Date?
    /// The job as it was over, if it is not over after all, or ended in another way.
    var corrects: Job?
  }

  let database: DatabasePool
  let directory: StateDirectory
  let seal: Seal
  /// How many bytes of output are kept at most.
  let outputLimit: Int
  let clock: JobClock
  /// How many bytes of output are kept, and were removed since that was counted; nil before it was.
  let keptBytes = Mutex<Int?>(nil)
  /// What administrators should know of it.
  let health = StoreHealth()

  /// Opens or creates the store in a directory of its own.
  /// - Parameters:
  ///   - outputLimit: how many bytes of output are kept at most; what is more is read from the backend again.
  ///   - clock: what gives the times that are put in the place of damaged ones.
  /// - Throws: ``StoreError``, which says what to do.
  public init(
    directory path: String, outputLimit: Int = 4 << 30, clock: JobClock = .system
  ) throws(StoreError) {
    directory = try StateDirectory(path)
    seal = try Seal(path: directory.sealKey)
    self.outputLimit = outputLimit
    self.clock = clock
    health.note("file system", directory.fileSystemWarning)
    do {
      try Self.prepare(directory)
      database = try DatabasePool(path: directory.database, configuration: Self.configuration)
      // GRDB makes it NORMAL when it switches to WAL, after everything that a configuration can say.
      try database.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA synchronous = FULL")
        // What a large commit made of the log is given back at the next checkpoint.
        try db.execute(sql: "PRAGMA journal_size_limit = 16777216")
      }
    } catch {
      throw StoreError(error)
    }
    // What it finds is a warning; what keeps it from looking shows elsewhere.
    try? examineSeal()
  }

  static var configuration: Configuration {
    var configuration = Configuration()
    configuration.label = "weir.store"
    configuration.busyMode = .timeout(5)
    configuration.maximumReaderCount = 3
    return configuration
  }

  // MARK: Jobs

  /// The jobs that are not over, and the latest of those that are, in rows that were read one by one.
  func rows(livingAndLatest count: Int) throws -> [JobRow] {
    try database.read { db in
      let now = clock.date
      let living = try JobRow.fetchAll(db, sql: "SELECT * FROM job WHERE \(Schema.isLiving)", now: now)
      let latest = try JobRow.fetchAll(
        db, sql: "SELECT * FROM job WHERE endedAt IS NOT NULL ORDER BY endedAt DESC LIMIT ?", arguments: [count],
        now: now)
      let known = Set(living.compactMap(\.id))
      return living
        + latest.reversed().filter { row in
          row.id.map { !known.contains($0) } ?? true && row.job?.state.isTerminal ?? true
        }
    }
  }

  /// The jobs that are not over, and the latest of those that are.
  func jobs(livingAndLatest count: Int) throws -> [Job] { try rows(livingAndLatest: count).compactMap(\.job) }

  /// When the last job was submitted that it knows.
  func lastSubmit() throws -> Date? {
    let last = try database.read { db in
      try DatabaseValue.fetchOne(
        db,
        sql: """
          SELECT max(submittedAt) FROM job
          WHERE typeof(submittedAt) = 'text' AND submittedAt GLOB '[1-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] *'
          """)
    }
    return last.flatMap(JobRow.Form.time)
  }

  func job(_ key: JobKey) async throws -> Job? {
    try await database.read { db in
      let statement = try db.cachedStatement(sql: "SELECT * FROM job WHERE name = ? AND number = ?")
      return try JobRow.job(
        Row.fetchOne(statement, arguments: [key.name, key.number]), now: clock.date)
    }
  }

  /// Writes a new job, in place of an earlier one of the same name and number that the backend never had and whose events
  /// it takes over.
  /// - Parameters:
  ///   - payload: what the job will be run by, for a connector whose jobs wait here.
  ///   - outputDue: when its output goes, of a job that is over already.
  ///   - limits: what its owner may have; nil for a job that the backend has already.
  ///   - serviceTime: from which on the key counts.
  /// - Throws: ``JobError/idempotencyConflict(_:)`` when another job has the key; ``JobError/limit(_:retryAfter:)``.
  func insert(
    _ job: Job, shownScript: String, event: JobEvent, idempotencyKey: IdempotencyKey?, payload: [UInt8]? = nil,
    outputDue: Date? = nil, limits: OwnerLimits? = nil, serviceTime: Date
  ) throws {
    let job = job.bounded(at: clock.date)
    let sealed = try payload.map { Data(try seal.close($0)) }
    try database.write { db in
      let earlier = try JobID.fetchAll(
        db.cachedStatement(sql: "SELECT id FROM job WHERE name = ? AND number = ? AND backendID IS NULL"),
        arguments: [job.name, job.number])
      // Until the end of the transaction.
      if !earlier.isEmpty { try db.execute(sql: "PRAGMA defer_foreign_keys = ON") }
      for id in earlier {
        try db.execute(sql: "UPDATE jobEvent SET job = ? WHERE job = ?", arguments: [job.id, id])
        try Job.deleteOne(db, key: id)
      }
      try job.insert(db)
      Checkpoint.reach("submit.row-half-written")
      try db.cachedStatement(sql: "INSERT INTO shownScript (job, text) VALUES (?, ?)")
        .execute(arguments: [job.id, shownScript])
      var event = event.bounded(at: clock.date)
      try event.insert(db)
      if let sealed {
        try db.execute(sql: "INSERT INTO payload (job, sealed) VALUES (?, ?)", arguments: [job.id, sealed])
      }
      if let outputDue {
        try db.execute(sql: "INSERT INTO retention (job, due) VALUES (?, ?)", arguments: [job.id, outputDue.stored])
      }
      try Self.count(
        KeptBytes(script: sealed?.count ?? 0, answer: shownScript.utf8.count, input: job.input?.size ?? 0), of: job, db)
      try limits?.checkBytes(Self.keptBytes(of: job.owner, db).fixed, of: job.owner)
      if let idempotencyKey { try idempotencyKey.bind(to: job, limits: limits ?? .unlimited, at: serviceTime, db) }
    }
  }

  /// Writes what changed of some jobs, and why, in one transaction.
  func save(_ changes: [Change]) throws {
    try database.write { db in
      for change in changes {
        do { try change.job.bounded(at: clock.date).update(db) } catch RecordError.recordNotFound { continue }
        Checkpoint.reach("store.half-written")
        for event in change.events {
          var event = event.bounded(at: clock.date)
          try event.insert(db)
        }
        if let end = change.corrects { try correct(end, to: change.job, db) }
        if let due = change.outputDue {
          try db.execute(
            sql: """
              INSERT INTO retention (job, due) VALUES (?, ?)
              ON CONFLICT (job) DO UPDATE SET due = excluded.due WHERE due IS NULL
              """, arguments: [change.job.id, due.stored])
          try db.execute(sql: "DELETE FROM payload WHERE job = ?", arguments: [change.job.id])
          if db.changesCount > 0 {
            try db.execute(sql: "UPDATE kept SET script = 0 WHERE job = ?", arguments: [change.job.id])
          }
        }
      }
    }
  }

  func delete(_ id: JobID) throws {
    _ = try database.write { db in try Job.deleteOne(db, key: id) }
    unlink(inputFile(id))
  }

  func shownScript(of id: JobID) async throws -> String? {
    try await database.read { db in
      try String.fetchOne(db, sql: "SELECT text FROM shownScript WHERE job = ?", arguments: [id])
    }
  }

  /// The transitions of a job, oldest first; without those that are damaged, which `weir store check` lists.
  public func events(of id: JobID) throws -> [JobEvent] {
    try database.read { db in
      let rows = try Row.fetchAll(db, sql: "SELECT * FROM jobEvent WHERE job = ? ORDER BY id", arguments: [id])
      return rows.compactMap { row in try? JobEvent(row: row) }
    }
  }

  /// Finds out whether anything can be written, by writing what means nothing.
  func probe() throws {
    try database.write { db in
      let count = try Int32.fetchOne(db, sql: "PRAGMA user_version") ?? 0
      try db.execute(sql: "PRAGMA user_version = \(count &+ 1)")
    }
  }
}

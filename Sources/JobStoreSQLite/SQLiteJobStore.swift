import Foundation
import GRDB
import JobModel
import JobStore
import Support
import Synchronization

/// The jobs in a state directory: SQLite in WAL mode, one transaction per event, every commit synced before it counts;
/// output and archives as files beside it.
public final class SQLiteJobStore: JobStore {
  let database: DatabasePool
  let directory: StateDirectory
  let seal: Seal
  /// How many bytes of output are kept at most.
  let outputLimit: Int
  let clock: JobClock
  /// How many bytes of output are kept, and were removed since that was counted; nil before it was.
  let keptBytes = Mutex<Int?>(nil)
  package let health = StoreHealth()

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
      throw .reading(error)
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

  // MARK: Reading and writing

  /// Reads; what fails in SQLite is thrown as a ``StoreError``.
  func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
    do { return try database.read(body) } catch let error as DatabaseError { throw StoreError(error) }
  }

  /// The same, without blocking.
  func read<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
    do { return try await database.read(body) } catch let error as DatabaseError { throw StoreError(error) }
  }

  /// Makes one transaction; what fails in SQLite is thrown as a ``StoreError``.
  func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
    do { return try database.write(body) } catch let error as DatabaseError { throw StoreError(error) }
  }

  // MARK: Jobs

  package func records(livingAndLatest count: Int) throws -> [StoredJob] {
    try read { db in
      let now = clock.date
      let living = try JobRow.fetchAll(db, sql: "SELECT * FROM job WHERE \(Schema.isLiving)", now: now)
      let latest = try JobRow.fetchAll(
        db, sql: "SELECT * FROM job WHERE endedAt IS NOT NULL ORDER BY endedAt DESC LIMIT ?", arguments: [count],
        now: now)
      let known = Set(living.compactMap(\.id))
      let rows =
        living
        + latest.reversed().filter { row in
          row.id.map { !known.contains($0) } ?? true && row.job?.state.isTerminal ?? true
        }
      return rows.map(\.stored)
    }
  }

  package func lastSubmit() throws -> Date? {
    // Of the latest, since the calendar may have been set, and a job that was recovered was submitted before.
    let latest = try read { db in
      try DatabaseValue.fetchAll(db, sql: "SELECT submittedAt FROM job ORDER BY number DESC LIMIT 100")
    }
    return latest.compactMap(JobRow.Form.time).max()
  }

  package func job(_ key: JobKey) async throws -> Job? {
    try await read { db in
      let statement = try db.cachedStatement(
        sql: "SELECT * FROM job WHERE name = ? AND upstreamNumber = ? AND \(Schema.holdsName)")
      return try JobRow.job(
        Row.fetchOne(statement, arguments: [key.name, key.number]), now: clock.date)
    }
  }

  package func job(_ id: JobID) throws -> Job? {
    try read { db in
      let statement = try db.cachedStatement(sql: "SELECT * FROM job WHERE id = ?")
      return try JobRow.job(Row.fetchOne(statement, arguments: [id]), now: clock.date)
    }
  }

  package func job(replaced key: JobKey, backendID: String) async throws -> Job? {
    try await read { db in
      let statement = try db.cachedStatement(
        sql: """
          SELECT * FROM job WHERE name = ? AND upstreamNumber = ? AND replacedBy IS NOT NULL AND backendID = ?
          """)
      return try JobRow.job(
        Row.fetchOne(statement, arguments: [key.name, key.number, backendID]), now: clock.date)
    }
  }

  package func insert(
    _ job: Job, shownScript: String, event: JobEvent?, idempotencyKey: IdempotencyKey?, payload: [UInt8]? = nil,
    outputDue: Date? = nil, limits: OwnerLimits? = nil, serviceTime: Date
  ) throws -> (job: Job, event: JobEvent?) {
    var job = job.bounded(at: clock.date)
    var event = event?.bounded(at: clock.date)
    let sealed = try payload.map { Data(try seal.close($0)) }
    try write { db in
      try Self.replace(job.key, by: job.id, db)
      job.number = try Self.nextNumber(db)
      try job.insert(db)
      Checkpoint.reach("submit.row-half-written")
      try db.cachedStatement(sql: "INSERT INTO shownScript (job, text) VALUES (?, ?)")
        .execute(arguments: [job.id, shownScript])
      try event?.insert(db)
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
    return (job, event)
  }

  /// Takes its name from the job that has it, which the backend never had; its idempotency keys end.
  private static func replace(_ key: JobKey, by id: JobID, _ db: Database) throws {
    let earlier = try JobID.fetchOne(
      db.cachedStatement(
        sql: """
          SELECT id FROM job WHERE name = ? AND upstreamNumber = ? AND \(Schema.holdsName)
            AND backendID IS NULL AND NOT (\(Schema.isLiving))
          """), arguments: [key.name, key.number])
    guard let earlier else { return }
    try db.execute(
      sql: "UPDATE job SET replacedBy = ?, version = version + 1 WHERE id = ?", arguments: [id, earlier])
    try db.execute(sql: "DELETE FROM idempotencyKey WHERE job = ?", arguments: [earlier])
  }

  /// The next number of a job. Numbers of jobs that were removed are not used again.
  private static func nextNumber(_ db: Database) throws -> Int {
    let next = try DatabaseValue.fetchOne(
      db.cachedStatement(sql: "UPDATE sequence SET value = value + 1 WHERE name = 'job' RETURNING value"))
    guard let next = next.flatMap(Int.fromDatabaseValue), (1...StoredBounds.number).contains(next) else {
      throw StoreError.damaged("the sequence of the jobs' numbers is missing or damaged")
    }
    return next
  }

  package func save(_ writes: [JobWrite]) throws -> JobWrite.Result {
    var result = JobWrite.Result()
    try write { db in
      for change in writes {
        let id = change.job.id
        let version = try DatabaseValue.fetchOne(
          db.cachedStatement(sql: "SELECT version FROM job WHERE id = ?"), arguments: [id])
        guard let version else { continue }
        // A version that is damaged is repaired by the write.
        if let expected = change.expected, let stored = Int.fromDatabaseValue(version), stored > 0, stored != expected {
          result.stale.insert(id)
          continue
        }
        try change.job.bounded(at: clock.date).update(db)
        Checkpoint.reach("store.half-written")
        for attempt in change.attempts {
          try EarlierAttemptRow(job: id, earlier: attempt).insert(db, onConflict: .ignore)
        }
        for event in change.events {
          var event = event.bounded(at: clock.date)
          try event.insert(db)
          result.events.append(event)
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
    return result
  }

  package func delete(_ id: JobID) throws -> Job? {
    let earlier = try write { db in
      try Job.deleteOne(db, key: id)
      let earlier = try Row.fetchOne(
        db,
        sql: """
          UPDATE job SET replacedBy = NULL, version = version + 1 WHERE replacedBy = ? RETURNING *
          """, arguments: [id])
      return earlier.flatMap { JobRow($0, now: clock.date).job }
    }
    unlink(inputFile(id))
    return earlier
  }

  package func shownScript(of id: JobID) async throws -> String? {
    try await read { db in
      try String.fetchOne(db, sql: "SELECT text FROM shownScript WHERE job = ?", arguments: [id])
    }
  }

  package func earlierAttempts(of id: JobID) throws -> [EarlierAttempt] {
    try read { db in try EarlierAttemptRow.fetchAll(db, of: id) }
  }

  package func probe() throws {
    try write { db in
      let count = try Int32.fetchOne(db, sql: "PRAGMA user_version") ?? 0
      try db.execute(sql: "PRAGMA user_version = \(count &+ 1)")
    }
  }
}

import Foundation
import GRDB
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
  private let seal: Seal
  /// How many bytes of output are kept at most.
  let outputLimit: Int
  /// How many bytes of output are kept, and were removed since that was counted; nil before it was.
  let keptBytes = Mutex<Int?>(nil)

  /// Opens or creates the store in a directory of its own.
  /// - Parameter outputLimit: how many bytes of output are kept at most; what is more is read from the backend again.
  /// - Throws: ``StoreError``, which says what to do.
  public init(directory path: String, outputLimit: Int = 4 << 30) throws(StoreError) {
    directory = try StateDirectory(path)
    seal = try Seal(path: directory.sealKey)
    self.outputLimit = outputLimit
    do {
      try Self.prepare(directory)
      database = try DatabasePool(path: directory.database, configuration: Self.configuration)
      // GRDB makes it NORMAL when it switches to WAL, after everything that a configuration can say.
      try database.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
    } catch {
      throw StoreError(error)
    }
  }

  static var configuration: Configuration {
    var configuration = Configuration()
    configuration.label = "weir.store"
    configuration.busyMode = .timeout(5)
    configuration.maximumReaderCount = 3
    return configuration
  }

  // MARK: Jobs

  /// The jobs that are not over, and the latest of those that are.
  func jobs(livingAndLatest count: Int) throws -> [Job] {
    try database.read { db in
      let living = try Job.filter(sql: Schema.isLiving).fetchAll(db)
      let latest = try Job.filter(Column("endedAt") != nil).order(Column("endedAt").desc).limit(count).fetchAll(db)
      return living + latest.filter { $0.state.isTerminal }.reversed()
    }
  }

  /// When the last job was submitted that it knows.
  func lastSubmit() throws -> Date? {
    try database.read { db in try Date.fetchOne(db, sql: "SELECT max(submittedAt) FROM job") }
  }

  func job(_ key: JobKey) async throws -> Job? {
    try await database.read { db in
      let statement = try db.cachedStatement(sql: "SELECT * FROM job WHERE name = ? AND number = ?")
      return try Job.fetchOne(statement, arguments: [key.name, key.number])
    }
  }

  /// Writes a new job, in place of an earlier one of the same name and number that the backend never had and whose events
  /// it takes over.
  /// - Parameter outputDue: when its output goes, of a job that is over already.
  /// - Throws: ``JobError/idempotencyConflict(_:)`` when another job has the key.
  /// - Parameter payload: what the job will be run by, for a connector whose jobs wait here.
  func insert(
    _ job: Job, shownScript: String, event: JobEvent, idempotencyKey: IdempotencyKey?, payload: [UInt8]? = nil,
    outputDue: Date? = nil
  ) throws {
    let sealed = payload.map { Data(seal.close($0)) }
    try database.write { db in
      let earlier = try String.fetchAll(
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
      var event = event
      try event.insert(db)
      if let sealed {
        try db.execute(sql: "INSERT INTO payload (job, sealed) VALUES (?, ?)", arguments: [job.id, sealed])
      }
      if let outputDue {
        try db.execute(sql: "INSERT INTO retention (job, due) VALUES (?, ?)", arguments: [job.id, outputDue])
      }
      if let idempotencyKey { try idempotencyKey.bind(to: job.id, db) }
    }
  }

  /// What a job that waits here will be run by; nil once it is over.
  func payload(of id: String) async throws -> [UInt8]? {
    let sealed = try await database.read { db in
      try Data.fetchOne(db, sql: "SELECT sealed FROM payload WHERE job = ?", arguments: [id])
    }
    guard let sealed else { return nil }
    guard let plain = seal.open([UInt8](sealed)) else {
      throw StoreError.unusable("what job \(id) is to be run by was sealed with another key than seal.key")
    }
    return plain
  }

  /// Writes what changed of some jobs, and why, in one transaction.
  func save(_ changes: [Change]) throws {
    try database.write { db in
      for change in changes {
        do { try change.job.update(db) } catch RecordError.recordNotFound { continue }
        Checkpoint.reach("store.half-written")
        for var event in change.events { try event.insert(db) }
        if let end = change.corrects { try correct(end, to: change.job, db) }
        if let due = change.outputDue {
          try db.execute(
            sql: """
              INSERT INTO retention (job, due) VALUES (?, ?)
              ON CONFLICT (job) DO UPDATE SET due = excluded.due WHERE due IS NULL AND expiredAt IS NULL
              """, arguments: [change.job.id, due])
          try db.execute(sql: "DELETE FROM payload WHERE job = ?", arguments: [change.job.id])
        }
      }
    }
  }

  func delete(_ id: String) throws {
    _ = try database.write { db in try Job.deleteOne(db, key: id) }
    unlink(inputFile(id))
  }

  func shownScript(of id: String) async throws -> String? {
    try await database.read { db in
      try String.fetchOne(db, sql: "SELECT text FROM shownScript WHERE job = ?", arguments: [id])
    }
  }

  /// The transitions of a job, oldest first.
  public func events(of id: String) throws -> [JobEvent] {
    try database.read { db in try JobEvent.filter(Column("job") == id).order(Column("id")).fetchAll(db) }
  }

  /// Finds out whether anything can be written, by writing what means nothing.
  func probe() throws {
    try database.write { db in
      let count = try Int32.fetchOne(db, sql: "PRAGMA user_version") ?? 0
      try db.execute(sql: "PRAGMA user_version = \(count &+ 1)")
    }
  }
}

/// What a caller marks a submission with, so that it can be sent again (draft-ietf-httpapi-idempotency-key-header).
public struct IdempotencyKey: Sendable, Equatable {
  /// Whose key it is: each caller has its own.
  public let caller: String
  public let key: String

  /// Nil unless the key is 1 to 255 visible ASCII characters.
  public init?(caller: String, key: String) {
    guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
    self.caller = caller
    self.key = key
  }

  /// The job that was submitted with it, if any.
  func job(_ db: Database) throws -> Job? {
    try Job.fetchOne(
      db, sql: "SELECT job.* FROM idempotencyKey JOIN job ON job.id = idempotencyKey.job WHERE caller = ? AND key = ?",
      arguments: [caller, key])
  }

  func bind(to id: String, _ db: Database) throws {
    if let known = try job(db) {
      guard known.id == id else { throw JobError.idempotencyConflict(known.key) }
      return
    }
    try db.execute(
      sql: "INSERT INTO idempotencyKey (caller, key, job) VALUES (?, ?, ?)", arguments: [caller, key, id])
  }
}

extension JobStore {
  /// The job that was submitted with a key, if any.
  func job(_ key: IdempotencyKey) async throws -> Job? { try await database.read { db in try key.job(db) } }

  func bind(_ key: IdempotencyKey, to id: String) throws { try database.write { db in try key.bind(to: id, db) } }
}

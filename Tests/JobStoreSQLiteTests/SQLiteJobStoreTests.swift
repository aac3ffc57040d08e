import Foundation
import GRDB
import JobModel
import JobStore
import Testing

@testable import JobStoreSQLite

/// A directory of the test's own, removed with it.
final class Scratch {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-store-\(UUID().uuidString)").path
  var database: String { path + "/weir.sqlite" }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func mode(_ name: String = "") throws -> Int {
    try #require(FileManager.default.attributesOfItem(atPath: path + name)[.posixPermissions] as? Int)
  }
}

func job(_ name: String, _ state: JobState = .queued, endedAt: Date? = nil) -> Job {
  Job(
    id: JobID(rawValue: ULID.next()), key: JobKey(name: name, number: 1), owner: "kirby@example.com", account: "kirby",
    connector: "scripted",
    submissionToken: ULID.next(), fingerprint: "f", lifecycle: Lifecycle(state),
    contact: Contact(seenAt: Date(), source: "weir"), attempt: Attempt(backendID: "1", endedAt: endedAt),
    submittedAt: Date())
}

extension SQLiteJobStore {
  func add(_ job: Job, eventAt time: Date = Date()) throws {
    let event = JobEvent(
      job: job.id, time: time, actor: "test", from: nil, to: job.state, source: "test", reason: "")
    let stored = try insert(job, shownScript: "shown", event: event, idempotencyKey: nil, serviceTime: Date()).job
    if job.state.isTerminal { _ = try save([.init(job: stored, expecting: 1, outputDue: Date() + 100)]) }
  }
}

@Suite("The store on disk")
struct StoreTests {
  let scratch = Scratch()

  @Test("Every commit is synced: the writer's synchronous is FULL, in WAL mode")
  func synchronous() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    try store.database.writeWithoutTransaction { db throws -> Void in
      #expect(try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2)
      #expect(try String.fetchOne(db, sql: "PRAGMA journal_mode") == "wal")
      #expect(try Int.fetchOne(db, sql: "PRAGMA foreign_keys") == 1)
    }
  }

  @Test("Nobody else can read what is kept, also where that was possible before")
  func modes() throws {
    try FileManager.default.createDirectory(
      atPath: scratch.path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    var store: SQLiteJobStore? = try SQLiteJobStore(directory: scratch.path)
    try store?.add(job("a"))
    for name in ["", "/output"] { #expect(try scratch.mode(name) == 0o700) }
    for name in ["/weir.sqlite", "/weir.sqlite-wal", "/weir.sqlite-shm"] { #expect(try scratch.mode(name) == 0o600) }
    store = nil
    chmod(scratch.database, 0o644)
    chmod(scratch.path, 0o777)
    _ = try SQLiteJobStore(directory: scratch.path)
    #expect(try scratch.mode() == 0o700)
    #expect(try scratch.mode("/weir.sqlite") == 0o600)
  }

  @Test("What belongs to somebody else is refused", .enabled(if: geteuid() == 0), arguments: ["", "/weir.sqlite"])
  func foreign(name: String) throws {
    _ = try SQLiteJobStore(directory: scratch.path)
    chown(scratch.path + name, 12_345, 12_345)
    let error = #expect(throws: StoreError.self) { try SQLiteJobStore(directory: scratch.path) }
    #expect(error?.description.contains("12345") == true)
  }

  @Test("A database in the place of which a link lies is refused")
  func link() throws {
    _ = try SQLiteJobStore(directory: scratch.path)
    try FileManager.default.moveItem(atPath: scratch.database, toPath: scratch.path + "/elsewhere")
    symlink(scratch.path + "/elsewhere", scratch.database)
    #expect(throws: StoreError.self) { try SQLiteJobStore(directory: scratch.path) }
  }

  @Test("One process at a time holds the directory")
  func lock() throws {
    let directory = try StateDirectory(scratch.path)
    var first: StateDirectory.Claim? = try directory.takeLock()
    guard case .held = first else { return #expect(Bool(false), "the first takes it") }
    guard case .heldBy(let holder) = try directory.takeLock() else { return #expect(Bool(false), "it is taken") }
    #expect(holder.contains("process \(getpid()) on "))
    first = nil
    guard case .held = try directory.takeLock() else { return #expect(Bool(false), "it is free again") }
  }

  @Test("A directory on a disk of this machine is not taken for one on the network")
  func local() throws {
    let directory = try StateDirectory(scratch.path)
    #expect(directory.fileSystemWarning == nil)
  }

  @Test("Jobs that are not over and the latest of the others are read at the start, by an index")
  func loading() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    let now = Date()
    try store.add(job("living"))
    for age in 0..<5 { try store.add(job("ended\(age)", .succeeded, endedAt: now - Double(age))) }
    #expect(try store.records(livingAndLatest: 2).compactMap(\.job).map(\.name) == ["living", "ended1", "ended0"])
    let plan = try store.database.read { db -> [String] in
      try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN SELECT * FROM job WHERE \(Schema.isLiving)")
        .map { row -> String in row["detail"] }
    }
    #expect(plan.joined().contains("jobLiving"), "\(plan)")
    let indexes = try store.database.read { try String.fetchSet($0, sql: "SELECT name FROM sqlite_schema") }
    #expect(!indexes.contains("job_on_state") && !indexes.contains("index_job_on_state"))
  }
}

@Suite("A database that is not as this program left it")
struct DamageTests {
  let scratch = Scratch()

  private func fill() throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    for number in 0..<200 {
      try store.add(
        job("job\(number)", number % 2 == 0 ? .queued : .succeeded, endedAt: number % 2 == 0 ? nil : Date()))
    }
    try store.database.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
    try store.database.close()
  }

  /// What is done to the file.
  enum Damage: String, CaseIterable, CustomTestStringConvertible {
    case empty, text, headless, truncated, halfPage, zeroedPage, scrambledPages, gone
    var testDescription: String { rawValue }

    func apply(to path: String) throws {
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      switch self {
      case .empty: bytes = Data()
      case .text: bytes = Data("These are not the bytes you are looking for.\n".utf8)
      case .headless: bytes.replaceSubrange(0..<4, with: [1, 2, 3, 4])
      case .truncated: bytes = bytes.prefix(bytes.count / 8192 * 4096)
      case .halfPage: bytes = bytes.prefix(6000)
      case .zeroedPage: bytes.replaceSubrange(4096..<8192, with: Data(count: 4096))
      case .scrambledPages:
        for page in stride(from: 4096, to: bytes.count - 4096, by: 4096 * 3) {
          bytes.replaceSubrange(page..<(page + 64), with: Data(repeating: 0xa5, count: 64))
        }
      case .gone:
        try? FileManager.default.removeItem(atPath: path + "-wal")
        try FileManager.default.moveItem(atPath: path, toPath: path + "-wal")
        return
      }
      try bytes.write(to: URL(fileURLWithPath: path))
    }
  }

  @Test("A damaged database is refused with the way out, and check says so too", arguments: Damage.allCases)
  func damaged(_ damage: Damage) throws {
    try fill()
    #expect(try SQLiteJobStore.check(directory: scratch.path) == [])
    try damage.apply(to: scratch.database)
    let error = #expect(throws: StoreError.self) { try SQLiteJobStore(directory: scratch.path) }
    guard case .damaged = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(error?.description.contains("weir store backup") == true)
    #expect(throws: (any Error).self) {
      if try !SQLiteJobStore.check(directory: scratch.path).isEmpty { throw StoreError.damaged("") }
    }
  }

  @Test(
    "Check finds what SQLite would not",
    arguments: [
      ("UPDATE job SET result = NULL WHERE state = 'succeeded' AND name = 'job1'", "job1/1 has ended without an"),
      ("UPDATE job SET result = 'succeeded' WHERE name = 'job0'", "job0/1 has not ended and has an outcome"),
      ("UPDATE job SET state = 'running' WHERE name = 'job2'", "job2/1 is in another state than its last event says"),
      ("DELETE FROM retention WHERE job = (SELECT id FROM job WHERE name = 'job3')", "job3/1 has ended and has no"),
      ("PRAGMA foreign_keys = OFF; DELETE FROM job WHERE name = 'job4'", "belongs to no job"),
      ("UPDATE jobEvent SET number = number + 1000 WHERE number = 100", "the events from 100 to"),
    ])
  func unlawful(change: String, sentence: String) throws {
    try fill()
    try DatabaseQueue(path: scratch.database).writeWithoutTransaction { db in try db.execute(sql: change) }
    let faults = try SQLiteJobStore.check(directory: scratch.path)
    #expect(faults.contains { $0.contains(sentence) }, "\(faults)")
  }

  @Test("What a killed start left half made is in nobody's way")
  func halfMade() throws {
    _ = try StateDirectory(scratch.path)
    try Data("half".utf8).write(to: URL(fileURLWithPath: scratch.database + ".new"))
    try StateDirectoryMaker.old(scratch)
    try Data("half".utf8).write(to: URL(fileURLWithPath: scratch.database + ".before-retention.partial"))
    #expect(try SQLiteJobStore(directory: scratch.path).records(livingAndLatest: 10).compactMap(\.job).count == 2)
    try FileManager.default.removeItem(atPath: scratch.database)
    #expect(try SQLiteJobStore(directory: scratch.path).records(livingAndLatest: 10).compactMap(\.job) == [])
  }

  @Test("A copy is kept before a database is changed to a newer form, and its jobs stay")
  func migration() throws {
    try StateDirectoryMaker.old(scratch)
    let store = try SQLiteJobStore(directory: scratch.path)
    #expect(try store.records(livingAndLatest: 10).compactMap(\.job).map(\.attempt) == [1, 1])
    let copy = scratch.database + ".before-retention"
    let names = try DatabaseQueue(path: copy).read { db in
      try String.fetchAll(db, sql: "SELECT name FROM job ORDER BY name")
    }
    #expect(names == ["ended", "living"])
    #expect(try scratch.mode("/weir.sqlite.before-retention") == 0o600)
    #expect(
      try store.database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM retention WHERE due > '2026'") } == 1)
  }

  @Test("A database that a newer program changed is refused")
  func newer() throws {
    try fill()
    try DatabaseQueue(path: scratch.database).write { db in
      try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('beyond')")
    }
    #expect(throws: StoreError.newer(["beyond"])) { try SQLiteJobStore(directory: scratch.path) }
  }

  @Test("A backup of a store in use is whole, private, and never written over something")
  func backup() async throws {
    let store = try SQLiteJobStore(directory: scratch.path)
    let writer = Task {
      var count = 0
      while !Task.isCancelled {
        try store.add(job("w\(count)"))
        count += 1
      }
    }
    while try await store.database.read({ try Job.fetchCount($0) }) == 0 {
      try await Task.sleep(for: .milliseconds(5))
    }
    let file = scratch.path + "/backup"
    _ = try SQLiteJobStore.backup(directory: scratch.path, to: file)
    writer.cancel()
    _ = await writer.result
    #expect(try scratch.mode("/backup") == 0o600)
    let count = try await DatabaseQueue(path: file).read { db -> Int in
      #expect(try SQLiteJobStore.faults(db, quick: false) == [])
      #expect(try Int.fetchOne(db, sql: "SELECT count(*) FROM job WHERE id NOT IN (SELECT job FROM jobEvent)") == 0)
      return try Job.fetchCount(db)
    }
    #expect(count > 0)
    let error = #expect(throws: StoreError.self) { try SQLiteJobStore.backup(directory: scratch.path, to: file) }
    #expect(error?.description.contains("not overwritten") == true)
  }

  @Test("What an earlier release kept is counted")
  func countingOfEarlierFiles() async throws {
    _ = try StateDirectory(scratch.path)
    let queue = try DatabaseQueue(path: scratch.database)
    try Schema.migrator.migrate(queue, upTo: "inputs")
    try await queue.write { db in
      for (id, input) in [
        ("one", "'{\"sha256\":\"\",\"size\":1000,\"contents\":1,\"entries\":1,\"needsPax\":false}'"), ("two", "'{]'"),
        ("three", "NULL"),
      ] {
        try db.execute(
          sql: """
            INSERT INTO job (id, name, number, owner, account, connector, submissionToken, fingerprint, state,
              stateSource, stateTime, reason, nodes, elapsed, submittedAt, input)
            VALUES (?, ?, 1, 'o', 'a', 'c', ?, 'f', 'queued', 's', '2026-01-01 00:00:00.000', '', '[]', 0,
              '2026-01-01 00:00:00.000', \(input));
            """, arguments: [id, id, id])
        try db.execute(sql: "INSERT INTO shownScript VALUES (?, 'täxt')", arguments: [id])
        try db.execute(sql: "INSERT INTO payload VALUES (?, zeroblob(100))", arguments: [id])
        try db.execute(sql: "INSERT INTO idempotencyKey VALUES ('service', ?, ?)", arguments: [id, id])
      }
    }
    try queue.close()
    try Data(count: 70).write(to: URL(fileURLWithPath: scratch.path + "/output/one"))
    let store = try SQLiteJobStore(directory: scratch.path)
    #expect(try await store.keptBytes(of: "o") == .init(fixed: 1000 + 3 * 105, output: 70))
    let key = try #require(IdempotencyKey(caller: "service", key: "one"))
    #expect(try await store.job(key, limits: .init(), at: Date())?.id == "one")
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
    #expect(names.contains { $0.hasPrefix("weir.sqlite.before-") })
  }
}

private enum StateDirectoryMaker {
  /// A store as it was before output had a time.
  static func old(_ scratch: Scratch) throws {
    try FileManager.default.createDirectory(
      atPath: scratch.path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let queue = try DatabaseQueue(path: scratch.database)
    try Schema.migrator.migrate(queue, upTo: "jobs")
    try queue.write { db in
      for (name, state, ended) in [("living", "queued", "NULL"), ("ended", "succeeded", "'2026-01-01 00:00:00.000'")] {
        try db.execute(
          sql: """
            INSERT INTO job (id, name, number, owner, account, connector, submissionToken, fingerprint, state,
              stateSource, stateTime, reason, nodes, elapsed, submittedAt, endedAt)
            VALUES (?, ?, 1, 'o', 'a', 'c', ?, 'f', ?, 's', '2026-01-01 00:00:00.000', '', '[]', 0,
              '2026-01-01 00:00:00.000', \(ended))
            """, arguments: [name, name, name, state])
      }
    }
    try queue.close()
  }
}

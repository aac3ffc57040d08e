import ConnectorAPI
import Foundation
import GRDB
import JobModel
import JobStore
import Logging
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

/// A connector whose jobs wait in the store.
private final class WaitingConnector: InputStagingConnector, QueueingConnector {
  let name = "local"
  var health: [HealthIssue] { [] }
  func work(on board: any JobBoard) async {}

  func preview(_ submission: JobSpec) throws(BackendError) -> String { submission.shownScript }
  func outputPath(of submission: JobSpec, token: String) -> String? { nil }
  func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String { mark.token }
  func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot { Snapshot(time: Date(), reports: []) }
  func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? { nil }
  func cancel(_ job: Job) async throws(BackendError) {}
}

/// What is done to a state directory, and what `weir store check` and a job that waits say then.
struct SealDamage: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let words: String
  let apply: @Sendable (_ directory: String, _ victim: Job) throws -> Void

  init(_ name: String, _ words: String, _ apply: @escaping @Sendable (String, Job) throws -> Void) {
    (testDescription, self.words, self.apply) = (name, words, apply)
  }

  typealias Change = @Sendable (_ directory: String, _ victim: Job) throws -> Void

  private static func key(_ body: @escaping @Sendable (String) throws -> Void) -> Change {
    { directory, _ in try body(directory + "/seal.key") }
  }

  private static func row(_ sql: String) -> Change {
    { directory, victim in
      let queue = try DatabaseQueue(path: directory + "/weir.sqlite")
      try queue.write { db in try db.execute(sql: sql, arguments: [victim.id]) }
      try queue.close()
    }
  }

  static let ofKey: [SealDamage] = [
    SealDamage("missing key", "cannot be decrypted", key { unlink($0) }),
    SealDamage("wrong key", "cannot be decrypted", key { try Data(count: 32).write(to: URL(fileURLWithPath: $0)) }),
    SealDamage("truncated key", "cannot be decrypted", key { truncate($0, 31) }),
    SealDamage("empty key", "cannot be decrypted", key { truncate($0, 0) }),
  ]

  static let ofRow: [SealDamage] = [
    SealDamage("row gone", "not in the store", row("DELETE FROM payload WHERE job = ?")),
    SealDamage("row cut", "cannot be decrypted", row("UPDATE payload SET sealed = x'0102' WHERE job = ?")),
    SealDamage(
      "row shortened", "cannot be decrypted", row("UPDATE payload SET sealed = substr(sealed, 1, 40) WHERE job = ?")),
    SealDamage("row of another kind", "cannot be decrypted", row("UPDATE payload SET sealed = 12 WHERE job = ?")),
    SealDamage("no shown script", "missing", row("DELETE FROM shownScript WHERE job = ?")),
  ]
}

@Suite("The script of a waiting job", .serialized)
struct WaitingScriptTests {
  let directory = FileManager.default.temporaryDirectory.path + "/weir-waiting-\(UUID().uuidString)"

  private func service() throws -> JobService {
    JobService(
      store: try SQLiteJobStore(directory: directory), connector: WaitingConnector(), configuration: .init(),
      logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
  }

  private func submission(_ name: String, script: String = "true # secret\n") -> JobSpec {
    JobSpec(
      name: name, number: 1, owner: "kirby@example.com", account: "kirby", nodes: 1, coresPerNode: 1,
      request: script, script: script, shownScript: "true # ***\n")
  }

  private func submit(_ name: String, to service: JobService) async throws -> Job {
    _ = try await service.submit(submission(name), actor: "test")
    return try #require(service.recent(JobKey(name: name, number: 1)))
  }

  @Test("Without its key Weir starts, says so, and each such job has its reason", arguments: SealDamage.ofKey)
  func keys(_ damage: SealDamage) async throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let job = try await submit("job", to: try service())
    #expect(try SQLiteJobStore.check(directory: directory) == [])
    try damage.apply(directory, job)
    let faults = try SQLiteJobStore.check(directory: directory)
    #expect(faults.contains { $0.contains("seal.key") && $0.contains(damage.words) }, "\(faults)")
    let restarted = try service()
    try await restarted.ledger.load()
    #expect(restarted.warnings.contains { $0.contains("seal.key") && $0.contains("cannot be decrypted") })
    let error = await #expect(throws: PayloadError.self) {
      try await restarted.board.payload(of: job)
    }
    guard case .lost(let reason) = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(reason.contains(damage.words))
    // Once no such job is left there is nothing to say.
    await restarted.ledger.apply(.endedByHand(reason: reason), to: job, actor: "test", at: Date())
    await restarted.retention.removeDue()
    #expect(restarted.warnings == [])
    // Jobs that come now are kept by the key that is there now.
    let next = try await submit("next", to: restarted)
    #expect(try await restarted.board.payload(of: next).submission.script == "true # secret\n")
    let kept = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.contains(".unusable-") }
    let isNoKey = ["truncated key", "empty key"].contains(damage.testDescription)
    #expect(kept.count == (isNoKey ? 1 : 0))
  }

  @Test("One damaged record is that job's trouble alone", arguments: SealDamage.ofRow)
  func rows(_ damage: SealDamage) async throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let service = try service()
    let job = try await submit("job", to: service)
    let other = try await submit("other", to: service)
    try damage.apply(directory, job)
    let board = service.board
    let error = await #expect(throws: PayloadError.self) { try await board.payload(of: job) }
    guard case .lost(let reason) = error else { return #expect(Bool(false), "\(String(describing: error))") }
    #expect(reason.contains(damage.words), "\(reason)")
    var expected = submission("other")
    expected.request = ""
    #expect(try await board.payload(of: other).submission == expected)
    if damage.testDescription != "no shown script" {
      #expect(try SQLiteJobStore.check(directory: directory).contains { $0.contains("job job/1") })
    }
  }

  @Test("What an earlier release has written is read")
  func earlier() async throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let service = try service()
    let job = try await submit("job", to: service)
    struct Earlier: Encodable {
      let submission: JobSpec
      let mark: String
    }
    let earlier = try JSONEncoder().encode(Earlier(submission: submission("job", script: "echo old\n"), mark: "M"))
    let sealed = Data(try service.ledger.sqlite.seal.close([UInt8](earlier)))
    try await service.ledger.sqlite.database.write { db in
      try db.execute(sql: "UPDATE payload SET sealed = ? WHERE job = ?", arguments: [sealed, job.id])
    }
    let payload = try await service.board.payload(of: job)
    #expect(payload.submission == submission("job", script: "echo old\n") && payload.mark == "M")
  }

  @Test("A store takes little more than what was submitted, and gives it back")
  func size() async throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let service = try service()
    let size = 2 << 20
    // As JSON each of these bytes would be six.
    let script = String(repeating: "\u{1}", count: size)
    var submission = submission("large", script: script)
    submission.shownScript = script + "***"
    _ = try await service.submit(submission, actor: "test")
    let kept = try await service.ledger.store.keptBytes(of: "kirby@example.com").fixed
    #expect(kept < size * 2 + 10_000)
    func onDisk() throws -> Int {
      try ["", "-wal"].reduce(0) { sum, suffix in
        let path = directory + "/weir.sqlite" + suffix
        return sum + ((try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0)
      }
    }
    // The script and what is shown of it, once in the log and once in the database.
    #expect(try onDisk() < size * 4 + 1_000_000)
    let job = try #require(service.recent(submission.key))
    #expect(try await service.board.payload(of: job).submission.script == script)
    await service.ledger.apply(.endedByHand(reason: ""), to: job, actor: "test", at: Date())
    #expect(try await service.ledger.store.keptBytes(of: "kirby@example.com").fixed < size + 10_000)
    #expect(try SQLiteJobStore.check(directory: directory) == [])
  }

  @Test("A backup says what a restore needs beside it, and takes the key along when told to")
  func backup() async throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    _ = try await submit("job", to: try service())
    let lacks = try SQLiteJobStore.backup(directory: directory, to: directory + "/copy")
    #expect(lacks.contains { $0.hasPrefix("seal.key") && $0.contains("waiting jobs fail") })
    let file = directory + "/whole"
    #expect(try SQLiteJobStore.backup(directory: directory, to: file, withKey: true) == [])
    let key = FileManager.default.contents(atPath: directory + "/seal.key")
    #expect(FileManager.default.contents(atPath: file + ".seal.key") == key)
    let mode = try FileManager.default.attributesOfItem(atPath: file + ".seal.key")[.posixPermissions] as? Int
    #expect(mode == 0o600)
    unlink(file)
    #expect(throws: StoreError.self) { try SQLiteJobStore.backup(directory: directory, to: file, withKey: true) }
    #expect(FileManager.default.contents(atPath: file + ".seal.key") == key, "never overwritten")
    #expect(!FileManager.default.fileExists(atPath: file))
  }
}

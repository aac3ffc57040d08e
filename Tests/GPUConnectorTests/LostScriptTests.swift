import Foundation
import GRDB
import JobModel
import Testing

@testable import GPUConnector
@testable import JobEngine
@testable import JobStoreSQLite

@Suite("A waiting job whose script or archive is lost", .serialized)
struct LostScriptTests {
  /// Puts a job into the store that waits until it is released.
  private func hold(_ machine: ThisMachine, _ name: String, archive: [UInt8]? = nil) async throws -> Job {
    var submission = machine.submission(name, script: "true", entryPoint: archive == nil ? nil : "go")
    submission.held = true
    if let archive {
      let pieces = Pieces(archive)
      _ = try await machine.service.submit(submission, actor: "test") { await pieces.next() }
    } else {
      _ = try await machine.service.submit(submission, actor: "test")
    }
    return try await machine.job(name) { $0.state == .held }
  }

  @Test("It fails with the reason, and the next one runs")
  func lost() async throws {
    let machine = try await ThisMachine()
    let archive = try shell("echo true >go && tar -cz go")
    let store = machine.service.ledger.sqlite
    let gone = try await hold(machine, "gone")
    let damaged = try await hold(machine, "damaged")
    let missing = try await hold(machine, "missing", archive: archive)
    let replaced = try await hold(machine, "replaced", archive: archive)
    try await store.database.write { db in
      try db.execute(sql: "DELETE FROM payload WHERE job = ?", arguments: [gone.id])
      try db.execute(sql: "UPDATE payload SET sealed = zeroblob(100) WHERE job = ?", arguments: [damaged.id])
    }
    unlink(store.inputFile(missing.id))
    unlink(store.inputFile(replaced.id))
    mkdir(store.inputFile(replaced.id), 0o700)
    let faults = try SQLiteJobStore.check(directory: machine.directory.path + "/state")
    for job in [gone, damaged, missing, replaced] {
      #expect(faults.contains { $0.contains("job \(job.key)") }, "\(job.name): \(faults)")
      try await machine.service.release(job, actor: "test")
    }
    _ = try await machine.service.submit(machine.submission("next", script: "true"), actor: "test")
    #expect(try await machine.job("next") { $0.state.isTerminal }.state == .succeeded)
    for (name, words) in [
      ("gone", "not in the store"), ("damaged", "cannot be decrypted"), ("missing", "archive is missing"),
      ("replaced", "not a regular file"),
    ] {
      let job = try await machine.job(name) { $0.state.isTerminal }
      #expect(job.state == .failed && job.reason.contains(words) && job.nodes.isEmpty, "\(name): \(job.reason)")
    }
    await machine.end()
  }

  @Test("A submit whose row was written and that cannot be read is settled as failed, and not asked about for ever")
  func inDoubt() async throws {
    let machine = try await ThisMachine()
    let job = try await hold(machine, "job")
    let store = machine.service.ledger.sqlite
    try await store.database.write { db in
      try db.execute(sql: "DELETE FROM payload WHERE job = ?", arguments: [job.id])
    }
    let report = try await machine.service.connector.find(job, timeout: .seconds(1))
    #expect(report?.outcome == .failed)
    #expect(report?.reason.contains("not in the store") == true)
    await machine.end()
  }
}

import ConnectorAPI
import Foundation
import GRDB
import Testing

@testable import JobEngine
@testable import JobModel
@testable import JobStoreSQLite

/// The engine's calendar is not the machine's in these tests: whatever reads the machine's is years off.
@Suite("Every time that the engine notes is of the clock that it was given")
struct EngineClockTests {
  let bench = Bench()
  let clock = ManualClock()
  let key = JobKey(name: "job", number: 1)

  init() { bench.configuration.clock = clock.clock() }

  private func loaded() async throws -> JobService {
    let service = try bench.service()
    try await service.ledger.load()
    return service
  }

  /// A job that waits, and the board of its connector.
  private func waiting() async throws -> (service: JobService, board: any JobBoard, job: Job) {
    let service = try await loaded()
    _ = try await service.submit(bench.submission(), actor: "test")
    return (service, service.board, try #require(service.recent(key)))
  }

  /// What a board does to a job that was placed.
  enum Act: String, CaseIterable { case putBack, fail, cancel, endUnplaced }

  @Test("What a connector's board does", arguments: Act.allCases)
  func board(act: Act) async throws {
    let (service, board, job) = try await waiting()
    clock.step(-7200)
    let placed: Job
    if act == .endUnplaced {
      placed = job
    } else {
      placed = try #require(await board.place([.init(job: job.id, machine: "s1", devices: [])]).first)
      #expect(placed.contact.seenAt == clock.date)
    }
    clock.step(3600)
    switch act {
    case .putBack: await board.putBack(placed, reason: "again", asNextAttempt: true)
    case .fail: await board.fail(placed, reason: "it cannot")
    case .cancel:
      _ = await service.ledger.transition(placed, actor: "test") { $0.lifecycle = .canceling }
      await board.putBack(placed, reason: "again", asNextAttempt: true)
    case .endUnplaced:
      _ = await service.ledger.transition(placed, actor: "test") { $0.lifecycle = .canceling }
      await board.endUnplaced(job.id)
    }
    let after = try #require(service.recent(key))
    #expect(after.contact.seenAt == clock.date && after.endedAt == (act == .putBack ? nil : clock.date))
    #expect(try service.ledger.store.events(of: job.id).last?.time == clock.date)
  }

  @Test("What the store repairs of a damaged record", arguments: ["seenAt", "submittedAt", "endedAt"])
  func repaired(column: String) async throws {
    let (service, _, job) = try await waiting()
    if column == "endedAt" {
      bench.connector.observes(bench.report(job, .succeeded, .succeeded))
      _ = await service.poller.poll()
    }
    try await service.ledger.sqlite.database.write { db in
      try db.execute(sql: "UPDATE job SET \(column) = 'soon', seenAt = 'soon' WHERE id = ?", arguments: [job.id])
    }
    clock.step(-7200)
    let repaired = try #require(try await loaded().recent(key))
    #expect(repaired.contact.seenAt == clock.date)
    #expect(repaired.submittedAt == (column == "submittedAt" ? clock.date : job.submittedAt))
    #expect(column != "endedAt" || repaired.endedAt == clock.date)
  }

  @Test(
    "What the store takes in place of a time that nobody can have measured", arguments: [1e300, -1, .nan] as [Double])
  func bounded(seconds: Double) async throws {
    let (service, _, job) = try await waiting()
    let wrong = Date(timeIntervalSince1970: seconds)
    clock.step(-7200)
    _ = await service.ledger.transition(job, actor: "test") { job in
      job.lifecycle = .running
      (job.contact.seenAt, job.startedAt) = (wrong, wrong)
    }
    let after = try #require(service.recent(key))
    #expect(after.contact.seenAt == clock.date && after.startedAt == nil)
    #expect(try service.ledger.store.events(of: job.id).last?.time == clock.date)
  }
}

import ConnectorAPI
import Foundation
import GRDB
import JobModel
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("The output that is kept")
struct OutputKeeperTests {
  let bench = Bench()
  let clock = ManualClock()

  init() {
    bench.configuration.clock = clock.clock()
    bench.configuration.lostAfter = 100
    bench.connector.change { $0.submit = { submission, _ in "\(submission.name.count)" } }
  }

  /// Jobs that were seen to run, the first with the id 3, the next 4 and so on.
  private func running(_ count: Int, _ service: JobService) async throws -> [Job] {
    var jobs: [Job] = []
    for number in 0..<count {
      let submission = bench.submission("job" + String(repeating: "x", count: number))
      _ = try await service.submit(submission, actor: "test")
      jobs.append(try #require(service.recent(submission.key)))
    }
    show(jobs.map { bench.report($0, .running) })
    await poll(service)
    #expect(jobs.allSatisfy { service.recent($0.key)?.state == .running })
    return jobs
  }

  private func show(_ reports: [JobReport]) {
    bench.connector.change { [date = clock.date] in
      $0.observation = .success(Snapshot(time: date, reports: reports))
    }
  }

  private func poll(_ service: JobService, _ count: Int = 1) async {
    for _ in 0..<count {
      clock.pass(20)
      _ = await service.poller.poll()
      await service.followUps.resolve()
    }
  }

  private func lost(_ service: JobService) async throws -> Job {
    let job = try #require(try await running(1, service).first)
    bench.connector.change { $0.output = Array("half".utf8) }
    show([])
    await poll(service, 8)
    let lost = try #require(service.recent(job.key))
    try #require(lost.state == .lost)
    return lost
  }

  @Test("What was answered of an end stays answered, while the job runs on and when it has ended")
  func told() async throws {
    bench.configuration.unclaimedOutput = 1000
    let service = try bench.service()
    let job = try await lost(service)
    #expect(try await service.finalOutput(job) == Array("half".utf8))
    show([bench.report(job, .running)])
    bench.connector.change { $0.output = Array("more".utf8) }
    await poll(service)
    let running = try #require(service.recent(job.key))
    #expect(running.state == .running)
    #expect(try await service.finalOutput(running) == Array("half".utf8))
    #expect(try await service.toldEnd(of: running)?.outcome == .lost)
    #expect(try await service.tailSource(of: running, lines: 10).bytes() == Array("more".utf8))
    clock.pass(bench.configuration.keepOutput)
    await service.retention.removeDue()
    #expect(bench.connector.removed == [], "it still writes")
    show([bench.report(job, .succeeded, .succeeded)])
    await poll(service)
    let over = try #require(service.recent(job.key))
    #expect(over.state == .succeeded)
    #expect(try await service.finalOutput(over) == Array("half".utf8))
    #expect(try await service.tailSource(of: over, lines: 10).bytes() == Array("more".utf8))
    #expect(try await service.toldEnd(of: over)?.outcome == .lost)
    clock.pass(1001)
    await service.retention.removeDue()
    #expect(bench.connector.removed == [job.key])
    await #expect(throws: JobError.self) { try await service.finalOutput(over) }
  }

  @Test("An end that is corrected while its output is read is not answered", arguments: [JobState.running, .failed])
  func correctedWhileAnswered(state: JobState) async throws {
    let service = try bench.service()
    let job = try await lost(service)
    let (report, time) = (bench.report(job, state, state == .failed ? .nodeFailure : nil), clock.date)
    bench.connector.change { $0.meanwhile = { await service.reconciler.apply([job.id: report], at: time) } }
    let error = await #expect(throws: JobError.self) { try await service.finalOutputSource(of: job) }
    if state == .running { #expect(error == .notOver(job.key, .running)) }
    #expect(try await service.ledger.store.retention(of: job.id)?.answeredAt == nil)
    show([bench.report(job, .failed, .nodeFailure)])
    bench.connector.change { $0.output = Array("whole".utf8) }
    await poll(service)
    let over = try #require(service.recent(job.key))
    #expect(over.outcome == .nodeFailure)
    #expect(try await service.finalOutput(over) == Array("whole".utf8))
    #expect(try await service.toldEnd(of: over) == nil)
  }

  @Test("A lost job whose output has gone, and that runs after all, is cleaned up after its true end")
  func cleanedUpAgain() async throws {
    bench.configuration.unclaimedOutput = 1000
    let service = try bench.service()
    let job = try await lost(service)
    _ = try await service.finalOutput(job)
    clock.pass(bench.configuration.keepOutput)
    await service.retention.removeDue()
    #expect(bench.connector.removed == [job.key])
    let past = clock.date - 1
    try await service.ledger.sqlite.database.write { db in
      try db.execute(sql: "UPDATE retention SET filesSince = ?", arguments: [past.stored])
    }
    show([bench.report(job, .running)])
    await poll(service)
    try #require(service.recent(job.key)?.state == .running)
    let living = try await service.ledger.store.retention(of: job.id)
    #expect(living?.due == nil && living?.filesSince == nil)
    show([bench.report(job, .succeeded, .succeeded)])
    await poll(service)
    #expect(try await service.ledger.store.retention(of: job.id)?.due != nil)
    clock.pass(1001)
    await service.retention.removeDue()
    #expect(bench.connector.removed == [job.key, job.key])
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("The output of a job that is over is the same bytes ever after")
  func output() async throws {
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    await #expect(throws: JobError.notOver(job.key, .queued)) { try await service.finalOutput(job) }
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
    let over = try #require(service.recent(job.key))
    bench.connector.change { $0.output = [0xff, 0x0a] }
    #expect(try await service.finalOutput(over) == [0xff, 0x0a])
    bench.connector.change { $0.output = [] }
    #expect(try await service.finalOutput(over) == [0xff, 0x0a])
  }
}

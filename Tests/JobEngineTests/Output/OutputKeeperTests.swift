import ConnectorAPI
import Foundation
import GRDB
import JobModel
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("The output that is kept")
struct OutputKeeperTests: VanishingJobs {
  let bench = Bench()
  let clock = ManualClock()

  init() { prepare() }

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

@Suite("Copies of output")
struct OutputCopyTests {
  let bench = Bench()

  @Test("A log that was cut says so in its first line; one that was not is as it was")
  func cut() async throws {
    bench.configuration.keptLines = 3
    let service = try bench.service()
    for (name, output, size, first) in [
      ("whole", "1\n2\n3\n", 6, "1"), ("short", "1\n", 1000, "1"),
      (
        "cut", "4\n5\n6\n", 12,
        "... the first 6 bytes of the output are left out, the last 3 lines follow ..."
      ),
      ("unterminated", "4\n5\n6", 11, "... the first 6 bytes of the output are left out, the last 3 lines follow ..."),
    ] {
      bench.connector.change {
        $0.submit = { _, token in token }
        $0.output = Array(output.utf8)
        $0.outputSize = size
      }
      _ = try await service.submit(bench.submission(name), actor: "test")
      let key = JobKey(name: name, number: 1)
      bench.connector.observes(bench.report(try #require(service.recent(key)), .succeeded, .succeeded))
      _ = await service.poller.poll()
      let job = try #require(service.recent(key))
      let answer = String(decoding: try await service.finalOutput(job), as: UTF8.self)
      #expect(answer.split(separator: "\n").first.map(String.init) == first && answer.hasSuffix(output), "\(name)")
      #expect(String(decoding: try await service.finalOutput(job), as: UTF8.self) == answer)
      #expect(String(decoding: try await service.tailSource(of: job, lines: 3).bytes(), as: UTF8.self) == output)
    }
  }

  @Test("A copy of output that cannot be read is fetched again", arguments: ["gone", "directory", "pipe"])
  func unreadable(place: String) async throws {
    let service = try bench.service()
    bench.connector.change { $0.output = Array("out".utf8) }
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
    let ended = try #require(service.recent(job.key))
    _ = try await service.finalOutput(ended)
    let copy = bench.directory.path + "/output/" + job.id.rawValue
    unlink(copy)
    if place == "directory" { mkdir(copy, 0o700) }
    if place == "pipe" { mkfifo(copy, 0o600) }
    #expect(try await service.finalOutputSource(of: ended).bytes() == Array("out".utf8))
    #expect(try await service.finalOutput(ended) == Array("out".utf8))
  }
}

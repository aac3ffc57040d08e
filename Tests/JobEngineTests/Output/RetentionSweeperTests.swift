import ConnectorAPI
import Foundation
import GRDB
import JobModel
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("Output goes when its time is over")
struct RetentionSweeperTests {
  let bench = Bench()

  private func ended(_ service: JobService, _ name: String = "job", number: Int = 1) async throws -> Job {
    let key = JobKey(name: name, number: number)
    _ = try await service.submit(bench.submission(name, number: number), actor: "test")
    let job = try #require(service.recent(key))
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
    bench.connector.change { $0.output = Array("out".utf8) }
    return try #require(service.recent(key))
  }

  @Test("Until then it is answered, also after a restart; then it is removed once, and the answer says so")
  func removed() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.keepOutput = 2
    let service = try bench.service()
    let job = try await ended(service)
    #expect(try await service.finalOutput(job) == Array("out".utf8))
    await service.retention.removeDue()
    let restarted = try bench.service()
    bench.connector.change { $0.output = [] }
    #expect(try await restarted.finalOutput(job) == Array("out".utf8))
    #expect(bench.connector.removed == [])
    clock.pass(2.1)
    await restarted.retention.removeDue()
    await restarted.retention.removeDue()
    #expect(bench.connector.removed == [job.key])
    let expired = JobError.expired(job.key, .succeeded)
    await #expect(throws: expired) { try await restarted.finalOutput(job) }
    await #expect(throws: expired) { try await restarted.tailSource(of: job, lines: 10) }
    await #expect(throws: expired, "never a second run") {
      try await restarted.submit(bench.submission(), actor: "test")
    }
    #expect(bench.connector.script.withLock { $0.submits } == 1)
    #expect(try FileManager.default.contentsOfDirectory(atPath: bench.directory.path + "/output") == [])
    #expect(
      try SQLiteJobStore(directory: bench.directory.path).events(of: job.id).last?.reason == "its output was removed")
  }

  @Test("Copies that are too many bytes go, the oldest first, and are read from the backend again when asked for")
  func room() async throws {
    bench.outputLimit = 100
    let service = try bench.service()
    var jobs: [Job] = []
    for number in 1...5 {
      jobs.append(try await ended(service, number: number))
      bench.connector.change { $0.output = Array(repeating: UInt8(number), count: 30) }
      #expect(try await service.finalOutput(jobs[number - 1]).count == 30)
    }
    let kept = try FileManager.default.contentsOfDirectory(atPath: bench.directory.path + "/output")
    #expect(Set(kept) == Set(jobs[2...].map(\.id.rawValue)))
    bench.connector.change { $0.output = Array("again".utf8) }
    #expect(try await service.finalOutput(jobs[0]) == Array("again".utf8))
    #expect(try await service.finalOutput(jobs[4]).count == 30)
  }

  @Test("The first answer sets the time, later ones do not move it")
  func firstAnswer() async throws {
    let service = try bench.service()
    let job = try await ended(service)
    _ = try await service.finalOutput(job)
    let first = try await service.ledger.store.retention(of: job.id)
    _ = try await service.finalOutput(job)
    #expect(try await service.ledger.store.retention(of: job.id) == first)
  }

  @Test("Output that nobody asks for goes later")
  func unclaimed() async throws {
    bench.configuration.unclaimedOutput = 0
    let service = try bench.service()
    let job = try await ended(service)
    await service.retention.removeDue()
    #expect(bench.connector.removed == [job.key])
  }

  @Test("A removal that fails is tried again later and later, and told after the third time")
  func failing() async throws {
    bench.configuration.unclaimedOutput = 0
    let service = try bench.service()
    let job = try await ended(service)
    bench.connector.change { $0.removal = .unavailable("no route") }
    let store = service.ledger.sqlite
    for failures in 1...3 {
      #expect(service.warnings == [])
      await service.retention.removeDue()
      let retention = try #require(try await store.retention(of: job.id))
      #expect(retention.failures == failures && retention.failure == "no route")
      let pause = try #require(retention.due).timeIntervalSinceNow
      #expect(abs(pause - 60 * pow(2, Double(failures - 1))) < 5)
      try await store.database.write { try $0.execute(sql: "UPDATE retention SET due = '2026-01-01 00:00:00.000'") }
    }
    #expect(service.warnings.first?.contains("no route") == true)
    #expect(try store.events(of: job.id).filter { $0.reason.contains("no route") }.count == 1)
    bench.connector.change { $0.removal = nil }
    await service.retention.removeDue()
    #expect(service.warnings == [])
    #expect(bench.connector.removed == [job.key])
  }

  @Test("A file that jobs of one name share is removed with the last of them")
  func shared() async throws {
    bench.configuration.unclaimedOutput = 0
    let service = try bench.service()
    _ = try await ended(service)
    bench.connector.change { $0.submit = { _, _ in "2" } }
    _ = try await service.submit(bench.submission(number: 2), actor: "test")
    await service.retention.removeDue()
    #expect(bench.connector.removed == [], "the second job still writes to it")
    let second = try #require(service.recent(JobKey(name: "job", number: 2)))
    bench.connector.observes(bench.report(second, .succeeded, .succeeded))
    _ = await service.poller.poll()
    await service.retention.removeDue()
    #expect(bench.connector.removed == [second.key])
  }
}

@Suite("Files outlive output", .serialized)
struct KeptFilesTests {
  let bench = Bench(connector: FileKeepingScriptedConnector())

  @Test("Output that was told and files are two things with two times")
  func files() async throws {
    let clock = ManualClock()
    bench.configuration.unclaimedOutput = 0
    bench.configuration.clock = clock.clock()
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let submitted = try #require(service.recent(bench.submission().key))
    var end = bench.report(submitted, .succeeded, .succeeded)
    end.nodes = ["n1"]
    end.endedAt = clock.date - 10
    bench.connector.observes(end)
    _ = await service.poller.poll()
    let job = try #require(service.recent(submitted.key))
    await service.retention.removeDue()
    #expect(bench.connector.removed == [job.key] && bench.connector.removedFiles == [])
    await #expect(throws: JobError.expired(job.key, .succeeded)) { try await service.finalOutput(job) }
    let kept = try #require(try await service.ledger.store.retention(of: job.id)?.filesSince)
    #expect(abs(kept.timeIntervalSince(clock.date)) < 100)
    let notYet = await #expect(throws: JobError.self) { try await service.files(of: job) { _ in } }
    #expect(notYet.map { if case .expired = $0 { false } else { true } } == true, "they can still be listed")
    // A setting that changed counts for what is kept already.
    bench.configuration.keepFiles = 5
    let restarted = try bench.service()
    try await restarted.start()
    for _ in 0..<200 where bench.connector.removedFiles.isEmpty {
      await clock.sleepers(3)
      clock.pass(0.05)
    }
    await restarted.stop()
    #expect(bench.connector.removedFiles == [job.key])
    await restarted.retention.removeDue()
    #expect(bench.connector.removedFiles == [job.key], "once")
    await #expect(throws: JobError.expired(job.key, .succeeded)) { try await restarted.files(of: job) { _ in } }
    #expect(try restarted.ledger.store.events(of: job.id).last?.reason == "its files were removed")
  }

  @Test(
    "The record of an ended job goes once nothing else is left of it and its time is over, and no other record does")
  func records() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    (bench.configuration.keepOutput, bench.configuration.unclaimedOutput) = (10, 1_000_000)
    (bench.configuration.keepJobs, bench.configuration.ownerLimits.keyAge) = (1000, 2000)
    bench.connector.change { $0.submit = { submission, _ in submission.name } }
    let service = try bench.service()
    try await service.ledger.load()
    func job(_ name: String) async throws -> Job? { try await service.find(JobKey(name: name, number: 1)) }
    for name in ["done", "unread", "living", "stuck"] {
      _ = try await service.submit(bench.submission(name), actor: "test")
    }
    for name in ["done", "unread", "stuck"] {
      bench.connector.observes(
        bench.report(try #require(try await job(name)), .succeeded, .succeeded), at: clock.date)
      _ = await service.poller.poll()
    }
    let done = try #require(try await job("done"))
    for (name, removal) in [("done", nil), ("stuck", BackendError.unavailable("no route to host"))] {
      _ = try await service.finalOutput(try #require(try await job(name)))
      bench.connector.change { $0.removal = removal }
      clock.pass(11)
      await service.retention.removeDue()
    }
    // Neither a calendar that is set nor a time within which its idempotency keys count.
    clock.step(100_000_000)
    await service.retention.removeDue()
    clock.step(-100_000_000)
    clock.pass(1900)
    await service.retention.removeDue()
    #expect(try await job("done") != nil)
    clock.pass(200)
    await service.retention.removeDue()
    #expect(try await job("done") == nil && service.recent(done.key) == nil)
    #expect(try service.ledger.store.events(of: done.id) == [])
    for name in ["unread", "living", "stuck"] { #expect(try await job(name) != nil, "\(name)") }
    _ = try await service.submit(bench.submission("done"), actor: "test")
    #expect(try await job("done")?.id != done.id, "its name is free again")
    bench.connector.change { $0.removal = nil }
    clock.pass(21_600)
    await service.retention.removeDue()
    #expect(try await job("stuck") == nil)
    for name in ["unread", "living"] { #expect(try await job(name) != nil, "\(name)") }
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }
}

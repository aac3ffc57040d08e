import ConnectorAPI
import Foundation
import GRDB
import JobModel
import JobStore
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("What one owner may have", .serialized)
struct OwnerLimitTests {
  let bench = Bench()

  private func submission(_ name: String, owner: String = "kirby@example.com", bytes: Int = 10) -> JobSpec {
    var submission = bench.submission(name)
    submission.owner = owner
    submission.shownScript = String(repeating: "x", count: bytes)
    return submission
  }

  private func refusal(_ body: () async throws -> Void) async -> (words: String, retryAfter: Int?)? {
    do { try await body() } catch JobError.limit(let words, let seconds) { return (words, seconds) } catch {
      Issue.record("\(error)")
    }
    return nil
  }

  private func end(_ service: JobService, _ name: String) async throws {
    let job = try #require(service.recent(JobKey(name: name, number: 1)))
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
  }

  @Test("Jobs that wait: it binds whom a job is for, counts what waits, and makes room when it starts")
  func waiting() async throws {
    bench.configuration.ownerLimits.waitingJobs = 2
    bench.connector.change { $0.submit = { _, token in token } }
    let service = try bench.service()
    for name in ["a", "b"] { _ = try await service.submit(submission(name), actor: "service") }
    let refused = await refusal { _ = try await service.submit(submission("c"), actor: "service") }
    #expect(refused?.words.contains("may have 2 (WEIR_OWNER_WAITING_JOBS)") == true && refused?.retryAfter == 60)
    #expect(bench.connector.script.withLock { $0.submits } == 2, "the backend was not asked")
    #expect(try await service.find(JobKey(name: "c", number: 1)) == nil)
    _ = try await service.submit(submission("d", owner: "mario@example.com"), actor: "service")
    _ = try await service.submit(submission("a"), actor: "service")  // the same job again
    try await end(service, "a")
    _ = try await service.submit(submission("c"), actor: "service")
  }

  @Test("Many submits at once are not more than may wait")
  func together() async throws {
    bench.configuration.ownerLimits.waitingJobs = 5
    bench.connector.change { $0.submit = { _, token in token } }
    let service = try bench.service()
    let taken = await withTaskGroup(of: Bool.self) { group in
      for number in 0..<20 {
        let submission = submission("job\(number)")
        group.addTask { (try? await service.submit(submission, actor: "service")) != nil }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(taken == 5)
  }

  @Test("Bytes: a submit beyond them is refused, and there is room again once output went")
  func bytes() async throws {
    bench.configuration.ownerLimits.bytes = 1000
    bench.configuration.keepOutput = 0
    bench.configuration.unclaimedOutput = 0
    bench.connector.change { $0.submit = { _, token in token } }
    let service = try bench.service()
    _ = try await service.submit(submission("a", bytes: 600), actor: "service")
    let refused = await refusal { _ = try await service.submit(submission("b", bytes: 600), actor: "service") }
    #expect(refused?.words.contains("more than the 1000 bytes that they may take (WEIR_OWNER_BYTES)") == true)
    #expect(bench.connector.script.withLock { $0.submits } == 1)
    _ = try await service.submit(submission("c", owner: "mario@example.com", bytes: 600), actor: "service")
    // An archive is refused before its first byte is taken.
    _ = try await service.submit(submission("d", bytes: 400), actor: "service")
    let archive = await refusal {
      _ = try await service.submit(submission("e"), actor: "service") { throw CancellationError() }
    }
    #expect(archive != nil)
    let grown = await refusal {
      let large = submission("f", owner: "luigi@example.com")
      let bytes: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3] + Array(repeating: 0, count: 2000)
      _ = try await service.submit(large, actor: "service") { bytes }
    }
    #expect(grown?.words.contains("WEIR_OWNER_BYTES") == true)
    try await end(service, "a")
    await service.retention.removeDue()
    _ = try await service.submit(submission("b", bytes: 600), actor: "service")
    #expect(try await service.ledger.store.keptBytes(of: "kirby@example.com") == .init(fixed: 1000, output: 0))
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("Copies of output are the owner's own: its oldest go, nobody else's")
  func outputs() async throws {
    bench.configuration.ownerLimits.bytes = 1000
    bench.connector.change { $0.submit = { _, token in token } }
    let service = try bench.service()
    var jobs: [Job] = []
    for (name, owner) in [("m", "mario@example.com"), ("a", "kirby"), ("b", "kirby"), ("c", "kirby")] {
      _ = try await service.submit(submission(name, owner: owner), actor: "service")
      try await end(service, name)
      bench.connector.change { $0.output = Array(repeating: 65, count: 400) }
      let job = try #require(service.recent(JobKey(name: name, number: 1)))
      #expect(try await service.finalOutput(job).count == 400)
      jobs.append(job)
    }
    let kept = try FileManager.default.contentsOfDirectory(atPath: bench.directory.path + "/output")
    #expect(Set(kept) == Set([0, 2, 3].map { jobs[$0].id.rawValue }))
    #expect(try await service.ledger.store.keptBytes(of: "kirby").output == 800)
    bench.connector.change { $0.output = Array("again".utf8) }
    #expect(try await service.finalOutput(jobs[1]) == Array("again".utf8))
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("Idempotency keys: so many of one job, so many of an owner, and they age")
  func keys() async throws {
    bench.configuration.ownerLimits.keysPerJob = 2
    bench.configuration.ownerLimits.keys = 3
    bench.connector.change { $0.submit = { _, token in token } }
    let service = try bench.service()
    func submit(_ name: String, key: String) async throws {
      _ = try await service.submit(
        submission(name), actor: "service", idempotencyKey: IdempotencyKey(caller: "service", key: key))
    }
    try await submit("a", key: "1")
    try await submit("a", key: "2")
    let ofJob = await refusal { try await submit("a", key: "3") }
    #expect(ofJob?.words.contains("job a/1 has 2 idempotency keys") == true)
    try await submit("a", key: "1")
    try await submit("b", key: "3")
    let ofOwner = await refusal { try await submit("c", key: "4") }
    #expect(ofOwner?.words.contains("may have 3 (WEIR_OWNER_IDEMPOTENCY_KEYS)") == true)
    #expect(try await service.find(JobKey(name: "c", number: 1)) == nil, "nothing was submitted")
    try await service.ledger.sqlite.database.write { db in
      try db.execute(sql: "UPDATE idempotencyKey SET createdAt = '2020-01-01 00:00:00.000'")
    }
    try await submit("c", key: "1")
    try await submit("a", key: "9")
    let left = try await service.ledger.sqlite.database.read { db in
      try Int.fetchOne(db, sql: "SELECT count(*) FROM idempotencyKey")
    }
    #expect(left == 2, "old keys are removed")
  }

  @Test("A key ages while Weir runs, not by a step of the calendar")
  func keyAge() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    bench.connector.change { $0.submit = { _, token in token } }
    let service = try bench.service()
    let key = IdempotencyKey(caller: "service", key: "1")
    _ = try await service.submit(submission("a"), actor: "service", idempotencyKey: key)
    clock.step(700_000)
    await #expect(throws: JobError.idempotencyConflict(JobKey(name: "a", number: 1))) {
      try await service.submit(submission("b"), actor: "service", idempotencyKey: key)
    }
    clock.pass(700_000)
    _ = try await service.submit(submission("b"), actor: "service", idempotencyKey: key)
  }

  @Test("0 is no limit")
  func unlimited() async throws {
    bench.configuration.ownerLimits = .unlimited
    bench.connector.change { $0.submit = { _, token in token } }
    let service = try bench.service()
    for number in 0..<5 {
      _ = try await service.submit(
        submission("job", bytes: 100_000), actor: "service",
        idempotencyKey: IdempotencyKey(caller: "service", key: "\(number)"))
    }
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

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

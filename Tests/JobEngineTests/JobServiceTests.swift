import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("A job is submitted once")
struct SubmitTests {
  let bench = Bench()

  @Test("A hundred identical submits at once make one job and get one answer")
  func identicalSubmits() async throws {
    let service = try bench.service()
    let submission = bench.submission()
    let receipts = try await withThrowingTaskGroup(of: JobService.Receipt.self) { group in
      for _ in 0..<100 { group.addTask { try await service.submit(submission, actor: "test") } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(receipts.count == 100)
    #expect(Set(receipts.map(\.backendID)) == ["1"])
    #expect(bench.connector.script.withLock { $0.submits } == 1)
  }

  @Test("The same submit later, and after a restart, gets the first answer again")
  func repeatedSubmit() async throws {
    let first = try await bench.service().submit(bench.submission(), actor: "test")
    bench.connector.change { $0.submit = { _, _ in "2" } }
    let restarted = try bench.service()
    try await restarted.start()
    #expect(try await restarted.submit(bench.submission(), actor: "test") == first)
    await restarted.stop()
  }

  @Test("The same name and number with other content is refused")
  func otherContent() async throws {
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    await #expect(throws: JobError.conflict(JobKey(name: "job", number: 1))) {
      try await service.submit(bench.submission(script: "false\n"), actor: "test")
    }
  }

  @Test("What the backend refused leaves nothing behind and may be tried again")
  func refused() async throws {
    let service = try bench.service()
    bench.connector.change { $0.submit = { _, _ throws(BackendError) in throw .refused("no such partition") } }
    await #expect(throws: JobError.refused("no such partition")) {
      try await service.submit(bench.submission(), actor: "test")
    }
    #expect(try await service.find(bench.submission().key) == nil)
    bench.connector.change { $0.submit = { _, _ in "7" } }
    #expect(try await service.submit(bench.submission(), actor: "test").backendID == "7")
  }

  @Test("A lost answer is settled by the token, without a second submit")
  func lostAnswerFound() async throws {
    let service = try bench.service()
    let connector = bench.connector
    connector.change { script in
      script.submit = { _, token throws(BackendError) in
        let found = JobReport(
          backendID: "42", mark: Mark(token: token), account: "kirby", state: .queued, source: "squeue",
          backendWord: "PENDING")
        connector.change { $0.located = .success(found) }
        throw .interrupted("the connection broke")
      }
    }
    #expect(try await service.submit(bench.submission(), actor: "test").backendID == "42")
    #expect(connector.script.withLock { $0.submits } == 1)
  }

  @Test("A lost answer that cannot be settled is an error, the job is listed, and an observation settles it")
  func lostAnswerUnsettled() async throws {
    let service = try bench.service()
    bench.connector.change { script in
      script.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
      script.located = .failure(.unavailable("still cut"))
    }
    let key = bench.submission().key
    await #expect(throws: JobError.unsettled(key, why: "the connection broke")) {
      try await service.submit(bench.submission(), actor: "test")
    }
    let job = try #require(service.recent(key))
    #expect(job.state == .submitting && job.list == .queued)
    var seen = bench.report(job, .running)
    seen.backendID = "43"
    bench.connector.observes(seen)
    #expect(await service.observeOnce())
    #expect(service.recent(key)?.backendID == "43")
    #expect(try await service.submit(bench.submission(), actor: "test").backendID == "43")
    #expect(bench.connector.script.withLock { $0.submits } == 1)
  }

  @Test("A submit is given up only when the backend was asked and does not have it")
  func givenUp() async throws {
    bench.configuration.submitDeadline = 0
    let service = try bench.service()
    bench.connector.change { script in
      script.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
      script.located = .failure(.unavailable("still cut"))
    }
    _ = try? await service.submit(bench.submission(), actor: "test")
    let key = bench.submission().key
    await service.settleOnce()
    #expect(service.recent(key)?.state == .submitting, "nobody could be asked")
    bench.connector.change { $0.located = .success(nil) }
    _ = try await service.lookFor(#require(service.recent(key)), timeout: .seconds(1))
    #expect(service.recent(key)?.state == .failed)
    bench.connector.change { $0.submit = { _, _ in "8" } }
    #expect(try await service.submit(bench.submission(), actor: "test").backendID == "8", "it never ran: a new try")
  }

  @Test("A token under another account is somebody's copy and settles nothing")
  func copiedToken() async throws {
    let service = try bench.service()
    bench.connector.change { script in
      script.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
      script.located = .failure(.unavailable("still cut"))
    }
    _ = try? await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    var copy = bench.report(job, .running)
    copy.account = "mario"
    bench.connector.observes(copy)
    _ = await service.observeOnce()
    #expect(service.recent(job.key)?.backendID == nil)
  }
}

@Suite("A submit whose answer was lost")
struct SettlingTests {
  let bench = Bench()

  /// Submits a job whose answer is lost.
  private func lose(_ service: JobService) async throws -> Job {
    bench.connector.change { script in
      script.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
    }
    _ = try? await service.submit(bench.submission(), actor: "test")
    return try #require(service.recent(bench.submission().key))
  }

  @Test("What was asked before the deadline gives nothing up, however late the answer comes")
  func slowAnswer() async throws {
    let clock = TestClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.submitDeadline = 100
    let service = try bench.service()
    let job = try await lose(service)
    bench.connector.change {
      $0.locatedOf = { _ in
        clock.pass(200)
        return nil
      }
    }
    #expect(await service.lookFor(job, timeout: .seconds(2)) == nil)
    #expect(service.recent(job.key)?.state == .submitting)
    #expect(await service.lookFor(job, timeout: .seconds(2))?.state == .failed, "asked after it")
  }

  @Test("Nothing is given up while the backend may still be handed the job")
  func submitWindow() async throws {
    bench.configuration.submitDeadline = 0
    bench.connector.change { $0.submitWindow = 100 }
    let service = try bench.service()
    let job = try await lose(service)
    #expect(await service.lookFor(job, timeout: .seconds(1)) == nil)
    bench.connector.change { $0.submitWindow = 0 }
    #expect(await service.lookFor(job, timeout: .seconds(1))?.state == .failed)
  }

  @Test("A job that shows up after it was given up is not made again")
  func late() async throws {
    bench.configuration.submitDeadline = 0
    let service = try bench.service()
    let job = try await lose(service)
    #expect(job.state == .failed)
    bench.connector.change { [bench] in
      $0.submit = { _, _ in "8" }
      $0.located = .success(bench.report(job, .running))
    }
    let submits = bench.connector.script.withLock { $0.submits }
    let error = await #expect(throws: JobError.self) { try await service.submit(bench.submission(), actor: "test") }
    guard case .refused = error else { return #expect(Bool(false), "\(String(describing: error))") }
    bench.connector.change { $0.located = .failure(.unavailable("down")) }
    await #expect(throws: JobError.self) { try await service.submit(bench.submission(), actor: "test") }
    #expect(bench.connector.script.withLock { $0.submits } == submits)
  }

  @Test("A new try keeps the events of the one that was given up")
  func history() async throws {
    bench.configuration.submitDeadline = 0
    let service = try bench.service()
    _ = try await lose(service)
    bench.connector.change { $0.submit = { _, _ in "8" } }
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    let events = try service.ledger.store.events(of: job.id)
    #expect(events.map(\.to) == [.submitting, .failed, .submitting, .queued])
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("Looking for it holds up no observation, and is done ever less often")
  func beside() async throws {
    bench.configuration.pollInterval = .milliseconds(50)
    let service = try bench.service()
    bench.connector.change { $0.located = .failure(.unavailable("its shell hangs")) }
    _ = try await lose(service)
    bench.connector.change { $0.locateSlowness = .seconds(20) }
    let begin = ContinuousClock.now
    _ = await service.observeOnce()
    #expect(ContinuousClock.now - begin < .seconds(10))
    bench.connector.change { ($0.locateSlowness, $0.locates) = (.zero, 0) }
    let first = ContinuousClock.now
    for _ in 0..<50 {
      await service.settleOnce()
      try await Task.sleep(for: .milliseconds(10))
    }
    let took = ContinuousClock.now - first
    let most = [0, 50, 150, 350, 750, 1550, 3150, 6350].count { .milliseconds($0) <= took }
    #expect((2...most).contains(bench.connector.script.withLock { $0.locates }), "in \(took)")
  }

  @Test("A caller waits for all of it no longer than it may")
  func callersTime() async throws {
    bench.configuration.submitTime = .milliseconds(300)
    bench.configuration.settleTime = .seconds(100)
    bench.connector.change { $0.located = .failure(.unavailable("down")) }
    let service = try bench.service()
    let begin = ContinuousClock.now
    _ = try await lose(service)
    #expect(ContinuousClock.now - begin < .seconds(50))
  }
}

@Suite("A job's state comes from evidence")
struct StateTests {
  let bench = Bench()

  private func submitted(_ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    return try #require(service.recent(bench.submission().key))
  }

  @Test("A job is listed from the instant its submit was answered")
  func listedAtOnce() async throws {
    let service = try bench.service()
    _ = await service.observeOnce()
    _ = try await submitted(service)
    #expect(try service.list(.queued).jobs == [.init(name: "job", id: "1")])
  }

  @Test("A job that moves from one list to the other is in one of them whichever is asked for first")
  func moving() async throws {
    let clock = TestClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.lingering = .seconds(1)
    let service = try bench.service()
    let job = try await submitted(service)
    func isListed(_ list: JobList) throws -> Bool { try !service.list(list).jobs.isEmpty }
    for (state, from, to) in [(JobState.running, JobList.queued, JobList.running), (.requeued, .running, .running)]
      + [(.queued, .running, .queued)]
    {
      bench.connector.observes(bench.report(job, state))
      _ = await service.observeOnce()
      #expect(try isListed(from) && isListed(to))
      clock.pass(1.1)
      #expect(try isListed(to) && (from == to || !isListed(from)))
    }
    bench.connector.observes(bench.report(job, .running))
    _ = await service.observeOnce()
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.observeOnce()
    #expect(try !isListed(.queued) && !isListed(.running), "what is over is in none")
  }

  @Test("A job that is answered while a look is under way is not missing from it")
  func answeredMeanwhile() async throws {
    let service = try bench.service()
    bench.connector.change { $0.slowness = .milliseconds(200) }
    bench.connector.change { script in
      script.submit = { _, _ in
        // Answered when the look has begun, and before it ends.
        usleep(60_000)
        return "1"
      }
    }
    let submission = bench.submission()
    async let receipt = service.submit(submission, actor: "test")
    while service.recent(submission.key) == nil { try await Task.sleep(for: .milliseconds(1)) }
    _ = await service.observeOnce()
    _ = try await receipt
    let job = try #require(service.recent(bench.submission().key))
    #expect(job.state == .queued && job.inDoubtSince == nil && job.contact.unreachableSince == nil)
  }

  @Test("An outage is no end: the last complete list is served, and the trouble is told")
  func outage() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    #expect(throws: JobError.self, "nobody looked yet") { try service.list(.running) }
    bench.connector.observes(bench.report(job, .running))
    _ = await service.observeOnce()
    bench.connector.change { $0.observation = .failure(.unavailable("slurmctld is down")) }
    #expect(await service.observeOnce() == false)
    #expect(try service.list(.running).jobs.count == 1)
    #expect(service.trouble == "slurmctld is down")
    bench.connector.observes(bench.report(job, .running))
    _ = await service.observeOnce()
    #expect(service.trouble == nil)
  }

  @Test("A list that is too old is an error, never an empty list")
  func staleList() async throws {
    bench.configuration.staleAfter = .zero
    let service = try bench.service()
    let job = try await submitted(service)
    bench.connector.observes(bench.report(job, .running))
    _ = await service.observeOnce()
    #expect(throws: JobError.self) { try service.list(.running) }
  }

  @Test("A terminal state is immutable")
  func immutable() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.observeOnce()
    bench.connector.observes(bench.report(job, .failed, .failed))
    _ = await service.observeOnce()
    #expect(service.recent(job.key)?.state == .succeeded)
  }

  @Test("An id that the backend gave out anew is another job")
  func reusedID() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    var other = bench.report(job, .failed, .failed)
    other.mark = Mark(token: "SOMEBODYELSE")
    bench.connector.observes(other)
    _ = await service.observeOnce()
    #expect(service.recent(job.key)?.state == .queued)
  }

  @Test("A cancel stands until the end is seen")
  func canceling() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    try await service.cancel(job, actor: "test")
    bench.connector.observes(bench.report(job, .running))
    _ = await service.observeOnce()
    #expect(service.recent(job.key)?.state == .canceling)
    bench.connector.observes(bench.report(job, .canceled, .canceled))
    _ = await service.observeOnce()
    #expect(service.recent(job.key)?.state == .canceled)
  }

  @Test("Every transition is one event, with who and why")
  func events() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    bench.connector.observes(bench.report(job, .running))
    _ = await service.observeOnce()
    _ = await service.observeOnce()
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.observeOnce()
    let events = try SQLiteJobStore(directory: bench.directory.path).events(of: job.id)
    #expect(events.map(\.to) == [.submitting, .queued, .running, .succeeded])
    #expect(events.map(\.actor) == ["test", "test", "weir", "weir"])
  }
}

@Suite("Nothing is lost")
struct KeepingTests {
  let bench = Bench()

  @Test("A restarted service knows its jobs")
  func restart() async throws {
    let first = try bench.service()
    _ = try await first.submit(bench.submission("a"), actor: "test")
    bench.connector.change { $0.submit = { _, _ in "2" } }
    _ = try await first.submit(bench.submission("b"), actor: "test")
    let job = try #require(first.recent(bench.submission("a").key))
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await first.observeOnce()
    let second = try bench.service()
    try await second.start()
    #expect(second.recent(bench.submission("a").key)?.state == .succeeded)
    #expect(second.recent(bench.submission("b").key)?.backendID == "2")
    await second.stop()
  }

  @Test("A job that ended long ago leaves memory and is found on disk")
  func longAgo() async throws {
    bench.configuration.recentCount = 0
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.observeOnce()
    bench.connector.observes()
    _ = await service.observeOnce()
    #expect(service.recent(job.key) == nil)
    #expect(try await service.find(job.key)?.state == .succeeded)
  }

  @Test("The output of a job that is over is the same bytes ever after")
  func output() async throws {
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    await #expect(throws: JobError.notOver(job.key, .queued)) { try await service.finalOutput(job) }
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.observeOnce()
    let over = try #require(service.recent(job.key))
    bench.connector.change { $0.output = [0xff, 0x0a] }
    #expect(try await service.finalOutput(over) == [0xff, 0x0a])
    bench.connector.change { $0.output = [] }
    #expect(try await service.finalOutput(over) == [0xff, 0x0a])
  }

  @Test("No two submissions share a fingerprint because their fields run together")
  func fingerprints() {
    var left = bench.submission("ab")
    left.owner = "c"
    var right = bench.submission("a")
    right.owner = "bc"
    #expect(left.fingerprint != right.fingerprint)
    #expect(left.fingerprint.count == 64)
  }

  @Test("Identifiers sort by time")
  func ulid() {
    let early = ULID.make(at: Date(timeIntervalSince1970: 1_000_000_000))
    let late = ULID.make(at: Date(timeIntervalSince1970: 1_000_000_001))
    #expect(early < late && early.count == 26)
    #expect(early.prefix(10) == "00X3AAA400", "milliseconds since 1970 in Crockford's base 32")
  }
}

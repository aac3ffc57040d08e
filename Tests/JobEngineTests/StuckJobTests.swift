import ConnectorAPI
import Foundation
import JobStore
import Testing

@testable import JobEngine
@testable import JobModel
@testable import JobStoreSQLite

@Suite("Jobs that do not go on")
struct StuckJobTests {
  let bench = Bench()
  let clock = ManualClock()
  let key = JobKey(name: "job", number: 1)

  init() { bench.configuration.clock = clock.clock() }

  private func running(_ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(key))
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    return try #require(service.recent(key))
  }

  private func poll(_ service: JobService, after seconds: TimeInterval) async {
    clock.pass(seconds)
    _ = await service.poller.poll()
    await service.followUps.cancels.sendDue()
  }

  private var cancels: Int { bench.connector.script.withLock { $0.cancels } }

  @Test("A cancel that had no effect is sent again, ever less often, and administrators are shown the job")
  func canceled() async throws {
    let service = try bench.service()
    let job = try await running(service)
    try await service.cancel(job, actor: "kirby")
    await poll(service, after: 2)
    #expect(cancels == 1, "it has had no time yet")
    await poll(service, after: 4)
    #expect(cancels == 2)
    bench.connector.change { $0.cancelFailure = .unavailable("no route") }
    for _ in 0..<60 { await poll(service, after: 10) }
    #expect((6...9).contains(cancels), "after 5, 10, 20, ... seconds, and again after a failure: \(cancels)")
    let warning = try #require(service.warnings.first)
    #expect(warning.hasPrefix("job job/1 (1) has been canceling for 6"))
    #expect(warning.hasSuffix(": canceled by kirby"))
    bench.connector.observes(bench.report(job, .canceled, .canceled))
    await poll(service, after: 10)
    #expect(service.recent(key)?.state == .canceled && service.warnings == [])
    let before = cancels
    for _ in 0..<10 { await poll(service, after: 100) }
    #expect(cancels == before)
  }

  @Test("A job that is being cleared up, or is not seen, is not canceled again")
  func clearing() async throws {
    let service = try bench.service()
    let job = try await running(service)
    var completing = bench.report(job, .running)
    completing.isCompleting = true
    try await service.cancel(job, actor: "kirby")
    bench.connector.observes(completing)
    for _ in 0..<10 { await poll(service, after: 20) }
    bench.connector.observes(accountingFailure: "slurmdbd is down")
    for _ in 0..<10 { await poll(service, after: 20) }
    #expect(cancels == 1)
    #expect(service.warnings.count == 1, "but it is shown")
  }

  @Test("After a restart a cancel is followed as before")
  func restarted() async throws {
    let service = try bench.service()
    try await service.cancel(try await running(service), actor: "kirby")
    let restarted = try bench.service()
    try await restarted.ledger.load()
    for _ in 0..<3 { await poll(restarted, after: 4) }
    #expect(cancels == 2)
  }

  @Test("Many stuck jobs are counted, the oldest are named")
  func many() async throws {
    bench.connector.change { $0.submit = { submission, _ in submission.name } }
    let service = try bench.service()
    for number in 1...30 { _ = try await service.submit(bench.submission("job\(number)"), actor: "test") }
    bench.connector.observes(accountingFailure: "slurmdbd is down")
    _ = await service.poller.poll()
    clock.pass(130)
    _ = await service.poller.poll()
    #expect(service.warnings.count == 21 && service.warnings.last == "and 10 more jobs like these")
  }

  // MARK: Ended by hand

  /// Ends the job in the store of a service that is over, and starts another on it.
  private func ended(_ service: JobService, _ reference: String = "job/1") async throws -> JobService {
    _ = try service.ledger.sqlite.end(
      JobReference(reference), actor: "root", reason: "s1 was scrapped", at: clock.date, keepingOutputFor: 100)
    let restarted = try bench.service()
    try await restarted.ledger.load()
    return restarted
  }

  @Test(
    "An administrator ends a job, by any of its names; the history says who and why",
    arguments: [{ $0.id.rawValue }, { $0.backendID ?? "" }, { $0.submissionToken }, { $0.key.description }]
      as [@Sendable (Job) -> String])
  func endedByHand(name: @Sendable (Job) -> String) async throws {
    let first = try bench.service()
    let job = try await running(first)
    let service = try await ended(first, name(job))
    let over = try #require(service.recent(key))
    #expect(
      over.state == .canceled && over.outcome?.cause == .canceledByAdmin && over.contact.source == "administrator")
    #expect(over.reason == "ended by root: s1 was scrapped")
    let event = try #require(try service.ledger.store.events(of: job.id).last)
    #expect(event.actor == "root" && event.source == "administrator" && event.reason.contains("s1 was scrapped"))
    #expect(try await service.ledger.store.retention(of: job.id)?.due != nil)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
    for wrong in ["job/2", "nothing", "job/1"] {
      #expect(throws: StoreError.self) {
        try service.ledger.sqlite.end(
          JobReference(wrong), actor: "root", reason: "x", at: clock.date, keepingOutputFor: 1)
      }
    }
  }

  @Test("An id that several jobs have ends none of them")
  func ambiguous() async throws {
    let service = try bench.service()
    for name in ["one", "two"] { _ = try await service.submit(bench.submission(name), actor: "test") }
    let error = #expect(throws: StoreError.self) {
      try service.ledger.sqlite.end(JobReference("1"), actor: "root", reason: "x", at: clock.date, keepingOutputFor: 1)
    }
    #expect(error?.description.contains("one/1, two/1") == true)
  }

  @Test("What the backend shows later corrects an end made by hand")
  func seenAlive() async throws {
    let first = try bench.service()
    let job = try await running(first)
    let service = try await ended(first)
    bench.connector.observes(bench.report(job, .running))
    await poll(service, after: 2)
    #expect(service.recent(key)?.state == .running)
    #expect(service.recent(key)?.reason.hasPrefix("found again: it was canceled since") == true)
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    await poll(service, after: 2)
    #expect(service.recent(key)?.state == .succeeded)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("An end that is the same is not corrected")
  func seenCanceled() async throws {
    let first = try bench.service()
    let job = try await running(first)
    let service = try await ended(first)
    bench.connector.observes(bench.report(job, .canceled, .canceled))
    await poll(service, after: 2)
    #expect(service.recent(key)?.reason == "ended by root: s1 was scrapped")
  }

  @Test("A submit in doubt that was ended by hand is sent again only where the backend does not have it")
  func inDoubt() async throws {
    let first = try bench.service()
    bench.connector.change {
      $0.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
      $0.located = .failure(.unavailable("its key is refused"))
    }
    _ = try? await first.submit(bench.submission(), actor: "test")
    let service = try await ended(first)
    bench.connector.change { $0.submit = { _, _ in "8" } }
    await #expect(throws: JobError.self) { try await service.submit(bench.submission(), actor: "test") }
    bench.connector.change { $0.located = .success(nil) }
    #expect(try await service.submit(bench.submission(), actor: "test").backendID == "8")
  }
}

@Suite("An answer is about the submission that was asked for")
struct LateAnswerTests {
  let bench = Bench()
  let key = JobKey(name: "job", number: 1)

  init() { bench.configuration.submitDeadline = 0 }

  /// An old submission that was given up, and a new one of the same name, whose answer was lost as well.
  private func two(_ service: JobService) async throws -> (old: Job, new: Job) {
    bench.connector.change {
      $0.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
      $0.located = .failure(.unavailable("still cut"))
    }
    _ = try? await service.submit(bench.submission(), actor: "test")
    let old = try #require(service.recent(key))
    await service.ledger.apply(.neverSubmitted(reason: "given up"), to: old, actor: "test", at: Date())
    bench.connector.change { $0.located = .success(nil) }
    bench.connector.change {
      $0.locateSlowness = .zero
      $0.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke again") }
    }
    // Its own question is not answered.
    let connector = bench.connector
    bench.connector.change {
      $0.submit = { _, _ throws(BackendError) in
        connector.change { $0.located = .failure(.unavailable("still cut")) }
        throw .interrupted("the connection broke again")
      }
    }
    _ = try? await service.submit(bench.submission(), actor: "test")
    let new = try #require(service.recent(key))
    try #require(new.id != old.id && new.state == .submitting)
    return (old, new)
  }

  @Test("That the old one is not there ends nothing")
  func absent() async throws {
    let service = try bench.service()
    let (old, new) = try await two(service)
    bench.connector.change { $0.located = .success(nil) }
    #expect(await service.resolver.ask(for: old, timeout: .seconds(1))?.state == .failed)
    #expect(service.recent(key)?.id == new.id && service.recent(key)?.state == .submitting)
  }

  @Test("That the old one is there, or has ended, says nothing of the new one", arguments: [JobState.running, .failed])
  func present(state: JobState) async throws {
    let service = try bench.service()
    let (old, new) = try await two(service)
    bench.connector.change { [bench] in
      $0.located = .success(bench.report(old, state, state == .failed ? .failed : nil))
    }
    _ = await service.resolver.ask(for: old, timeout: .seconds(1))
    #expect(service.recent(key)?.id == new.id && service.recent(key)?.state == .submitting)
    #expect(service.recent(key)?.backendID == nil)
  }

  @Test("Nor does anything else that was done to the old one")
  func actions() async throws {
    let service = try bench.service()
    var (old, new) = try await two(service)
    old.backendID = "7"
    old.lifecycle = .running
    try? await service.cancel(old, actor: "test")
    #expect(service.recent(key)?.state == .submitting)
    old.lifecycle = .queued(since: nil)
    try? await service.hold(old, actor: "test")
    try? await service.release(old, actor: "test")
    let board = service.board
    await board.putBack(old, reason: "x", asNextAttempt: true)
    await board.fail(old, reason: "x")
    await board.report([old.id: bench.report(old, .running)], at: Date())
    await service.reconciler.believeAbsence(of: old, at: Date())
    await service.reconciler.noteDoubt(about: old, "x")
    await service.ledger.remove(old, why: "x")
    new = try #require(try await service.find(key))
    #expect(new.id != old.id && new.state == .submitting && new.backendID == nil && new.attempt == 1)
    #expect(service.recent(key) == new)
  }
}

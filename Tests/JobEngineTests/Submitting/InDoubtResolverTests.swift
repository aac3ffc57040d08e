import ConnectorAPI
import Foundation
import Testing

@testable import JobEngine
@testable import JobModel
@testable import JobStoreSQLite

@Suite("A submit whose answer was lost")
struct InDoubtResolverTests {
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
    let clock = ManualClock()
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
    #expect(await service.resolver.ask(for: job, timeout: .seconds(2)) == nil)
    #expect(service.recent(job.key)?.state == .submitting)
    #expect(await service.resolver.ask(for: job, timeout: .seconds(2))?.state == .failed, "asked after it")
  }

  @Test("Nothing is given up while the backend may still be handed the job")
  func submitWindow() async throws {
    bench.configuration.submitDeadline = 0
    bench.connector.change { $0.submitWindow = 100 }
    let service = try bench.service()
    let job = try await lose(service)
    #expect(await service.resolver.ask(for: job, timeout: .seconds(1)) == nil)
    bench.connector.change { $0.submitWindow = 0 }
    #expect(await service.resolver.ask(for: job, timeout: .seconds(1))?.state == .failed)
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

  @Test("A new try takes the name of the one that was given up, which keeps its events")
  func history() async throws {
    bench.configuration.submitDeadline = 0
    let service = try bench.service()
    let lost = try await lose(service)
    bench.connector.change { $0.submit = { _, _ in "8" } }
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    let store = service.ledger.store
    #expect(try store.events(of: job.id).map(\.to) == [.submitting, .queued])
    #expect(try store.events(of: lost.id).map(\.to) == [.submitting, .failed])
    #expect(service.ledger.current(lost)?.replacedBy == job.id)
    #expect(try store.job(lost.id)?.replacedBy == job.id && job.number == lost.number + 1)
    let restarted = try bench.service()
    try await restarted.ledger.load()
    #expect(restarted.recent(job.key)?.id == job.id)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("Looking for it holds up no observation, and is done ever less often")
  func beside() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.pollInterval = .milliseconds(50)
    let service = try bench.service()
    bench.connector.change { $0.located = .failure(.unavailable("its shell hangs")) }
    _ = try await lose(service)
    bench.connector.change { $0.locateSlowness = .seconds(20) }
    let search = Task { await service.followUps.resolve() }
    await clock.sleepers(1)
    _ = await service.poller.poll()
    clock.pass(20)
    await search.value
    bench.connector.change { ($0.locateSlowness, $0.locates) = (.zero, 0) }
    var asked: [Int] = []
    for step in 0..<100 {
      let before = bench.connector.script.withLock { $0.locates }
      await service.followUps.resolve()
      if bench.connector.script.withLock({ $0.locates }) > before { asked.append(step * 10) }
      clock.pass(.milliseconds(10))
    }
    #expect(asked == [0, 100, 300, 700], "in milliseconds; 50 ms after the first time was 20 s ago")
  }

  @Test("A caller waits for all of it no longer than it may")
  func callersTime() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.submitTime = .seconds(2)
    bench.configuration.resolveTime = .seconds(100)
    bench.connector.change { $0.located = .failure(.unavailable("down")) }
    let service = try bench.service()
    let begin = clock.now
    bench.connector.change { script in
      script.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
    }
    let submission = bench.submission()
    async let receipt = service.submit(submission, actor: "test")
    // It asks again after 300, 600 and, no more in time, 1200 ms.
    for pause in [0.3, 0.6] {
      await clock.sleepers(1)
      clock.pass(pause)
    }
    _ = try? await receipt
    #expect(service.recent(submission.key)?.state == .submitting && clock.now - begin < .seconds(2))
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

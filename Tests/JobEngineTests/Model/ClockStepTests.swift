import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine

/// What happens to the calendar, and whether Weir is restarted then.
struct ClockStep: Sendable, CustomTestStringConvertible {
  let seconds: TimeInterval
  let isRestarted: Bool

  static let all = [-3600, 120, 3600].flatMap { seconds in
    [false, true].map { ClockStep(seconds: seconds, isRestarted: $0) }
  }
  var testDescription: String { "\(Int(seconds)) s\(isRestarted ? ", restarted" : "")" }
}

@Suite("A step of the calendar decides nothing")
struct ClockStepTests {
  let bench = Bench()
  let clock = ManualClock()
  let key = JobKey(name: "job", number: 1)

  init() { bench.configuration.clock = clock.clock() }

  private func loaded() async throws -> JobService {
    let service = try bench.service()
    try await service.ledger.load()
    return service
  }

  /// The service after the step.
  private func after(_ step: ClockStep, _ service: JobService) async throws -> JobService {
    clock.step(step.seconds)
    return step.isRestarted ? try await loaded() : service
  }

  private func submitted(_ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    return try #require(service.recent(key))
  }

  /// A job whose answer was lost.
  private func inDoubt(_ service: JobService) async throws -> Job {
    bench.connector.change {
      $0.submit = { _, _ throws(BackendError) in throw .interrupted("the connection broke") }
      $0.located = .failure(.unavailable("still cut"))
    }
    _ = try? await service.submit(bench.submission(), actor: "test")
    bench.connector.change { $0.located = .success(nil) }
    return try #require(service.recent(key))
  }

  private func look(_ service: JobService) async {
    _ = await service.poller.poll()
    await service.followUps.resolve()
  }

  @Test("A submit in doubt is looked for until its deadline", arguments: ClockStep.all)
  func submitDeadline(step: ClockStep) async throws {
    let first = try await loaded()
    let job = try await inDoubt(first)
    clock.pass(10)
    let service = try await after(step, first)
    clock.pass(45)
    #expect(await service.resolver.ask(for: job, timeout: .seconds(1)) == nil)
    #expect(service.recent(key)?.state == .submitting)
    clock.pass(step.isRestarted ? 20 : 10)
    #expect(await service.resolver.ask(for: job, timeout: .seconds(1))?.state == .failed)
  }

  @Test("A job is lost after unbroken polls for the time that the settings say", arguments: ClockStep.all)
  func lost(step: ClockStep) async throws {
    let first = try await loaded()
    _ = try await submitted(first)
    bench.connector.observes(bench.report(try #require(first.recent(key)), .running))
    await look(first)
    for _ in 0..<5 {
      bench.connector.observes(at: clock.date)
      await look(first)
      clock.pass(2)
    }
    let service = try await after(step, first)
    for _ in 0..<14 {
      bench.connector.observes(at: clock.date)
      await look(service)
      #expect(service.recent(key)?.state == .running)
      clock.pass(40)
    }
    for _ in 0..<3 {
      bench.connector.observes(at: clock.date)
      await look(service)
      clock.pass(40)
    }
    #expect(service.recent(key)?.state == .lost)
  }

  @Test("Output is kept for as long as was promised", arguments: ClockStep.all, [true, false])
  func output(step: ClockStep, isAsked: Bool) async throws {
    bench.configuration.keepOutput = isAsked ? 100 : 10
    bench.configuration.unclaimedOutput = isAsked ? 10 : 100
    let first = try await loaded()
    let job = try await submitted(first)
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    await look(first)
    if isAsked { _ = try await first.finalOutput(try #require(first.recent(key))) }
    clock.pass(50)
    await first.retention.keepServiceTime()
    let service = try await after(step, first)
    clock.pass(45)
    await service.retention.removeDue()
    #expect(bench.connector.removed == [])
    clock.pass(10)
    await service.retention.removeDue()
    #expect(bench.connector.removed == [key])
  }

  @Test("A removal that failed is tried again after its pause", arguments: ClockStep.all)
  func removal(step: ClockStep) async throws {
    bench.configuration.unclaimedOutput = 0
    let first = try await loaded()
    bench.connector.observes(bench.report(try await submitted(first), .succeeded, .succeeded))
    await look(first)
    bench.connector.change { $0.removal = .unavailable("no route") }
    await first.retention.removeDue()
    bench.connector.change { $0.removal = nil }
    await first.retention.keepServiceTime()
    let service = try await after(step, first)
    clock.pass(50)
    await service.retention.removeDue()
    #expect(bench.connector.removed == [])
    clock.pass(15)
    await service.retention.removeDue()
    #expect(bench.connector.removed == [key])
  }

  @Test("An exit code is asked for ten minutes", arguments: ClockStep.all)
  func exitCode(step: ClockStep) async throws {
    let first = try await loaded()
    var end = bench.report(try await submitted(first), .failed, .failed)
    end.endedAt = clock.date
    bench.connector.observes(end)
    await look(first)
    let service = try await after(step, first)
    clock.pass(10)
    bench.connector.observes()
    await look(service)
    #expect(bench.connector.script.withLock { $0.asked } == ["job"])
    clock.pass(700)
    await look(service)
    #expect(bench.connector.script.withLock { $0.asked } == [])
  }

  @Test("The time that a job ran goes on as it did", arguments: ClockStep.all)
  func elapsed(step: ClockStep) async throws {
    let first = try await loaded()
    var running = bench.report(try await submitted(first), .running)
    (running.startedAt, running.elapsed) = (clock.date - 5, 5)
    bench.connector.observes(running, at: clock.date)
    await look(first)
    let service = try await after(step, first)
    clock.pass(3)
    // After a restart nobody has seen it run yet.
    #expect(service.elapsed(of: try #require(service.recent(key))) == (step.isRestarted ? 5 : 8))
  }

  @Test("Lists are served for as long as they may be", arguments: ClockStep.all.filter { !$0.isRestarted })
  func stale(step: ClockStep) async throws {
    let service = try await loaded()
    bench.connector.observes(at: clock.date)
    await look(service)
    clock.step(step.seconds)
    clock.pass(50)
    #expect(try service.list(.running).jobs.isEmpty)
    clock.pass(20)
    #expect(throws: JobError.self) { try service.list(.running) }
  }

  @Test("A job is said to be in doubt after two minutes of it", arguments: ClockStep.all)
  func stuck(step: ClockStep) async throws {
    let first = try await loaded()
    _ = try await inDoubt(first)
    clock.pass(10)
    let service = try await after(step, first)
    clock.pass(100)
    #expect(service.warnings == [])
    clock.pass(30)
    #expect(service.warnings.count == 1 && service.warnings.first?.contains("job/1 has been in doubt") == true)
  }

  /// A Slurm without accounting remembers a job for minutes: that it knows none means nothing once they are over.
  @Test("What the backend may have forgotten is asked with the true age of the submit", arguments: ClockStep.all)
  func age(step: ClockStep) async throws {
    let first = try await loaded()
    let job = try await inDoubt(first)
    clock.pass(1000)
    let service = try await after(step, first)
    _ = await service.resolver.ask(for: job, timeout: .seconds(1))
    let asked = try #require(bench.connector.script.withLock { $0.lookedFor })
    #expect(abs(clock.date.timeIntervalSince(asked.submittedAt) - 1000) < 1)
  }

  @Test("After a start of the machine the submit may be of any age", arguments: ClockStep.all.filter(\.isRestarted))
  func machineStarted(step: ClockStep) async throws {
    let job = try await inDoubt(try await loaded())
    clock.step(step.seconds)
    bench.configuration.clock = clock.clock(boot: "second")
    _ = await (try await loaded()).resolver.ask(for: job, timeout: .seconds(1))
    let asked = try #require(bench.connector.script.withLock { $0.lookedFor })
    #expect(clock.date.timeIntervalSince(asked.submittedAt) >= 80_000)
  }

  @Test("A job without its mark is known by the cluster's clock, also where ours was set", arguments: ClockStep.all)
  func unmarked(step: ClockStep) async throws {
    clock.step(step.seconds)
    let service = try await loaded()
    let job = try await submitted(service)
    var bare = bench.report(job, .running)
    (bare.mark, bare.name, bare.submittedAt) = (nil, job.name, clock.date - step.seconds)
    #expect(bare.shows(job))
    bare.submittedAt = clock.date - step.seconds - 86_400
    #expect(!bare.shows(job), "an earlier holder of the id")
  }
}

import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("Looking costs as little as it can")
struct PollerTests {
  @Test("While accounting does not answer, it is not asked for what can wait")
  func accountingIsSpared() async throws {
    let bench = Bench()
    let service = try bench.service()
    let job = try await submitted(bench, service)
    var end = bench.report(job, .failed, .failed)
    end.endedAt = Date() - 10
    bench.connector.observes(end, accountingFailure: "slurmdbd hangs")
    _ = await service.poller.poll()
    _ = await service.poller.poll()
    #expect(bench.connector.script.withLock { $0.asked } == [])
  }

  private func submitted(_ bench: Bench, _ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    return try #require(service.recent(bench.submission().key))
  }

  @Test(
    "Without living jobs and questions the backend is asked seldom; a question wakes at once", .timeLimit(.minutes(1)))
  func idle() async throws {
    let (bench, clock) = (Bench(), ManualClock())
    bench.configuration.clock = clock.clock()
    bench.configuration.pollInterval = .milliseconds(20)
    bench.configuration.earlyPollInterval = .milliseconds(5)
    bench.configuration.idleAfter = .milliseconds(200)
    // Only a question ends the pause within the time of this test.
    bench.configuration.idlePollInterval = .seconds(3600)
    bench.configuration.staleAfter = .seconds(7200)
    let service = try bench.service()
    var observations: Int { bench.connector.script.withLock { $0.observations } }
    try await service.start()
    // Polls, follow-ups and retention: all of them wait for time to go on.
    let tasks = 3
    await clock.sleepers(tasks)
    while observations < 4 {
      _ = try? service.list(.running)
      clock.pass(0.005)
      await clock.sleepers(tasks)
    }
    for _ in 0..<100 {
      clock.pass(0.005)
      await clock.sleepers(tasks)
    }
    let before = observations
    for _ in 0..<100 {
      clock.pass(0.4)
      await clock.sleepers(tasks)
    }
    #expect(observations == before)
    #expect(try service.list(.running).jobs.isEmpty, "true at any age: nothing can have changed but by a submit")
    await eventually { observations > before }
    await service.stop()
  }

  @Test("A living job keeps the interval", .timeLimit(.minutes(1)))
  func living() async throws {
    let (bench, clock) = (Bench(), ManualClock())
    bench.configuration.clock = clock.clock()
    bench.configuration.pollInterval = .milliseconds(20)
    bench.configuration.earlyPollInterval = .milliseconds(5)
    bench.configuration.idleAfter = .milliseconds(10)
    bench.configuration.idlePollInterval = .seconds(3600)
    bench.configuration.staleAfter = .seconds(7200)
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    try await service.start()
    for _ in 0..<20 {
      await clock.sleepers(3)
      clock.pass(0.005)
    }
    #expect(bench.connector.script.withLock { $0.observations } > 3)
    await service.stop()
  }
}

@Suite("A slow backend")
struct SlowBackendTests {
  let bench = Bench()
  let clock = ManualClock()

  @Test("One slow answer does not put off the next look until the lists are too old to be served")
  func slowAnswer() async throws {
    bench.configuration.clock = clock.clock()
    bench.configuration.pollInterval = .milliseconds(50)
    bench.configuration.earlyPollInterval = .milliseconds(50)
    bench.configuration.staleAfter = .seconds(4)
    bench.connector.change { $0.slowness = .seconds(2) }
    let service = try bench.service()
    try await service.start()
    // Polls, follow-ups and retention: all of them wait for time to go on.
    let tasks = 3
    await clock.sleepers(tasks)
    while (try? service.list(.running)) == nil {
      clock.pass(0.02)
      await clock.sleepers(tasks)
    }
    bench.connector.change { $0.slowness = .zero }
    // Five times the cost of the slow answer would be until ten seconds from now.
    for _ in 0..<60 {
      _ = try service.list(.running)
      clock.pass(0.1)
      await clock.sleepers(tasks)
    }
    await service.stop()
  }
}

import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("Cancels that had no effect")
struct CancelFollowerTests {
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
}

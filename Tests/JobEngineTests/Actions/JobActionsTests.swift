import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("What is done to jobs")
struct JobActionsTests {
  let bench = Bench()

  private func submitted(_ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    return try #require(service.recent(bench.submission().key))
  }

  @Test("An ended job is not canceled, and nothing else can be done to it")
  func ended() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
    let over = try #require(service.recent(job.key))
    try await service.cancel(over, actor: "kirby")
    #expect(bench.connector.script.withLock { $0.cancels } == 0)
    let refused = JobError.over(job.key, .succeeded)
    await #expect(throws: refused) { try await service.release(over, actor: "kirby") }
    await #expect(throws: refused) { try await service.hold(over, actor: "kirby") }
    await #expect(throws: refused) { try await service.suspend(over) }
    await #expect(throws: refused) { try await service.signal(over, "TERM") }
  }

  @Test("Nothing is done to a job that the backend may not have")
  func inDoubt() async throws {
    let service = try bench.service()
    var submitted = try await submitted(service)
    submitted.backendID = nil
    let job = submitted
    await #expect(throws: JobError.self) { try await service.cancel(job, actor: "kirby") }
    await #expect(throws: JobError.self) { try await service.release(job, actor: "kirby") }
    await #expect(throws: JobError.self) { try await service.describe(job) }
    #expect(bench.connector.script.withLock { $0.cancels } == 0)
  }

  @Test("A cancel that the backend refuses is not shown as one; of a job that it forgot it is")
  func refused() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    bench.connector.change { $0.cancelFailure = .unavailable("no route") }
    await #expect(throws: JobError.unavailable("no route")) { try await service.cancel(job, actor: "kirby") }
    #expect(service.recent(job.key)?.state == .queued)
    bench.connector.change { $0.cancelFailure = .notFound("no such job") }
    try await service.cancel(job, actor: "kirby")
    #expect(service.recent(job.key)?.state == .canceling && service.recent(job.key)?.reason == "canceled by kirby")
  }
}

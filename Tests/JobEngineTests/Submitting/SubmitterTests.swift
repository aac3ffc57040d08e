import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("A job is submitted once")
struct SubmitterTests {
  let bench = Bench()

  @Test("A hundred identical submits at once make one job and get one answer")
  func identicalSubmits() async throws {
    let service = try bench.service()
    let submission = bench.submission()
    let gate = Gate()
    bench.connector.change { $0.submitGate = gate }
    let receipts = try await withThrowingTaskGroup(of: JobService.Receipt.self) { group in
      for _ in 0..<100 { group.addTask { try await service.submit(submission, actor: "test") } }
      await gate.arrival()
      for _ in 0..<100 { await Task.yield() }
      gate.open()
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
    #expect(await service.poller.poll())
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
    await service.followUps.resolve()
    #expect(service.recent(key)?.state == .submitting, "nobody could be asked")
    bench.connector.change { $0.located = .success(nil) }
    _ = try await service.resolver.ask(for: #require(service.recent(key)), timeout: .seconds(1))
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
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.backendID == nil)
  }
}

import ConnectorAPI
import Foundation
import JobModel
import JobStore
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("A key makes a submit repeatable")
struct IdempotencyKeysTests {
  let bench = Bench()
  let key = IdempotencyKey(caller: "service", key: "k1")

  @Test("The same key with the same content gets the first answer; with other content it is refused")
  func repeated() async throws {
    let service = try bench.service()
    let first = try await service.submit(bench.submission(), actor: "service", idempotencyKey: key)
    #expect(try await service.submit(bench.submission(), actor: "service", idempotencyKey: key) == first)
    for other in [bench.submission("other"), bench.submission(script: "false\n")] {
      await #expect(throws: JobError.idempotencyConflict(JobKey(name: "job", number: 1))) {
        try await service.submit(other, actor: "service", idempotencyKey: key)
      }
    }
    #expect(bench.connector.script.withLock { $0.submits } == 1)
  }

  @Test("Every caller has keys of its own")
  func callers() async throws {
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "service", idempotencyKey: key)
    let other = IdempotencyKey(caller: "user service", key: "k1")
    #expect(try await service.submit(bench.submission("b"), actor: "b", idempotencyKey: other).backendID == "1")
  }

  @Test("A key sent with a job that is known without it belongs to that job from then on")
  func late() async throws {
    let service = try bench.service()
    let first = try await service.submit(bench.submission(), actor: "service")
    #expect(try await service.submit(bench.submission(), actor: "service", idempotencyKey: key) == first)
    await #expect(throws: JobError.idempotencyConflict(JobKey(name: "job", number: 1))) {
      try await service.submit(bench.submission("b"), actor: "service", idempotencyKey: key)
    }
  }

  @Test("A hundred submits at once with one key make one job, and other content beside them is refused")
  func hundred() async throws {
    let service = try bench.service()
    let results = await withTaskGroup(of: Result<JobService.Receipt, any Error>.self) { group in
      for index in 0..<100 {
        let submission = index % 10 == 9 ? bench.submission("other") : bench.submission()
        group.addTask { [key] in
          do { return .success(try await service.submit(submission, actor: "service", idempotencyKey: key)) } catch {
            return .failure(error)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let done = results.filter { if case .success = $0 { true } else { false } }
    #expect(done.count == 90 || done.count == 10, "one of the two contents has the key")
    #expect(bench.connector.script.withLock { $0.submits } == 1)
  }

  @Test("What the backend refused leaves its key free")
  func refused() async throws {
    let service = try bench.service()
    bench.connector.change { $0.submit = { _, _ throws(BackendError) in throw .refused("no such partition") } }
    _ = try? await service.submit(bench.submission(), actor: "service", idempotencyKey: key)
    bench.connector.change { $0.submit = { _, _ in "2" } }
    let receipt = try await service.submit(bench.submission("b"), actor: "service", idempotencyKey: key)
    #expect(receipt.backendID == "2")
  }

  @Test(
    "A key is 1 to 255 visible ASCII characters",
    arguments: ["", "a b", "ü", "a\n", String(repeating: "a", count: 256)])
  func form(text: String) { #expect(IdempotencyKey(caller: "c", key: text) == nil) }
}

import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("Files that jobs have made")
struct ResultFilesTests {
  @Test("A job that waits has no results, and a bad glob is told first")
  func waiting() async throws {
    let bench = Bench()
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(try await service.find(bench.submission().key))
    await #expect(throws: JobError.notStarted(job.key, .queued)) { try await service.results(of: job) { _ in } }
    await #expect(
      throws: JobError.refused("glob \"/x\": expected a path below the job's directory, not an absolute one")
    ) {
      try await service.files(of: job, matching: ["/x"]) { _ in }
    }
  }
}

import JobModel
import Synchronization

/// The submissions that are under way, one for each name and number: identical ones share an answer.
final class SubmissionsUnderWay: Sendable {
  typealias Submission = (fingerprint: String, task: Task<JobService.Receipt, any Error>)

  private let submissions = Mutex<[JobKey: Submission]>([:])

  func contains(_ key: JobKey) -> Bool { submissions.withLock { $0[key] != nil } }

  /// The submission of that name and number that is under way, of this content or another; if there is none, it begins.
  func join(
    _ key: JobKey, fingerprint: String, orBegin body: @escaping @Sendable () async throws -> JobService.Receipt
  ) -> Submission {
    submissions.withLock { submissions in
      if let current = submissions[key] { return current }
      let task = Task {
        defer { self.submissions.withLock { $0[key] = nil } }
        return try await body()
      }
      submissions[key] = (fingerprint, task)
      return (fingerprint, task)
    }
  }
}

import Foundation
import JobModel

/// How long the output of a job that has ended is kept, and what became of it.
package struct Retention: Sendable, Equatable {
  package let job: JobID
  /// When its removal is due, or due again; nil once it is done.
  package let due: Date?
  /// When the output was first asked for.
  package let answeredAt: Date?
  /// Since when the output is answered no more.
  package let expiredAt: Date?
  /// The service time since which only the files of the job are kept; nil before its output went, and once they are gone.
  package let filesSince: Date?
  /// How often its removal from the backend failed.
  package let failures: Int
  package let failure: String?

  package init(
    job: JobID, due: Date?, answeredAt: Date?, expiredAt: Date?, filesSince: Date?, failures: Int, failure: String?
  ) {
    self.job = job
    self.due = due
    self.answeredAt = answeredAt
    self.expiredAt = expiredAt
    self.filesSince = filesSince
    self.failures = failures
    self.failure = failure
  }

  /// Whether files of the job are still kept.
  /// - Parameter time: the service time.
  package func hasFiles(at time: Date, keptFor seconds: TimeInterval) -> Bool {
    expiredAt == nil || due != nil || filesSince.map { time < $0 + seconds } ?? false
  }

  /// What of a job the backend keeps after its end.
  package enum Remains: String, Sendable {
    case output
    case files
  }
}

/// An end that was answered by /exitstatus and corrected afterwards.
public struct ToldEnd: Sendable, Equatable {
  public let outcome: Outcome
  /// Seconds.
  public let elapsed: Int

  package init(outcome: Outcome, elapsed: Int) { (self.outcome, self.elapsed) = (outcome, elapsed) }
}

/// Bytes kept for an owner.
package struct OwnerBytes: Sendable, Equatable {
  /// What cannot be read from elsewhere: scripts, answers, archives.
  package var fixed: Int
  /// Copies of output.
  package var output: Int

  package init(fixed: Int = 0, output: Int = 0) { (self.fixed, self.output) = (fixed, output) }
}

import Foundation
import JobModel

/// A kind of place where jobs run: what every connector can do.
///
/// A connector asks the backend and instructs it. It keeps no state about jobs and never decides what the state of a job
/// is: that is the engine's. Every call has its own deadline, and every error says whether the backend may have acted.
///
/// What only some backends can do is in protocols of their own, one for each ``Capability``.
public protocol Connector: Sendable {
  /// The name it is chosen by in the settings, `slurm` for example.
  var name: String { get }

  /// Checks a submission without asking the backend, and renders the script for people, secrets masked.
  func preview(_ submission: JobSpec) throws(BackendError) -> String

  /// Where the job's output will be written; nil where that is not known. Jobs with the same path share a file.
  func outputPath(of submission: JobSpec, token: String) -> String?

  /// Hands the job to the backend, which is to carry the mark; returns the backend's id.
  func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String

  /// Seconds after a submission was written down for which a submit whose answer was lost may still make the job: until
  /// then, that the backend does not have it means nothing. 0 where a submit has no effect once it has failed.
  var submitWindow: TimeInterval { get }

  /// What the backend says of all jobs with a mark at one moment, and, of each of `jobs` that it no longer lists, how
  /// it ended. A job among them that is over already is asked about for what is not known of its end.
  func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot

  /// Asks the backend, in every record it keeps, for one job: one whose id was never learnt, or one that complete polls
  /// do not show. It asks in another way than ``snapshot(of:)`` where there is one, as the job's own account for example.
  /// Nil means that the backend was asked and does not have it.
  /// - Parameter timeout: time for all of it.
  func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport?

  /// Ends a job that waits or runs.
  func cancel(_ job: Job) async throws(BackendError)

  /// What keeps the connector from its work right now; empty when nothing does.
  var health: [HealthIssue] { get }
}

extension Connector {
  public var submitWindow: TimeInterval { 0 }
}

import Foundation
import JobModel

/// A kind of place where jobs run.
///
/// A connector asks and tells the backend; it keeps no state about jobs and never decides what a job's state is to be:
/// that is the engine's. Every call has its own deadline, and every error says whether the backend may have acted.
public protocol Connector: Sendable {
  /// The name it is chosen by in the settings, `slurm` for example.
  var name: String { get }

  /// Checks a submission without asking the backend, and renders the script for people, secrets masked.
  func preview(_ submission: JobSpec) throws(BackendError) -> String

  /// Where the job's output will be written. Jobs with the same path share a file.
  func outputPath(of submission: JobSpec, token: String) -> String?

  /// Hands the job to the backend, which is to carry the mark; returns the backend's id.
  func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String

  /// Seconds after a submission was written down for which a submit whose answer was lost may still make the job: until
  /// then, that the backend does not have it means nothing.
  var lastSubmit: TimeInterval { get }

  /// What the backend says of all jobs with a mark at one moment, and, of each of `jobs` that it no longer lists, how
  /// it ended. A job among them that is over already is asked about for what is not known of its end.
  func observe(_ jobs: [Job]) async throws(BackendError) -> Observation

  /// Asks the backend, in every record it keeps, for one job: one whose id was never learnt, or one that complete polls
  /// do not show. It asks in another way than ``observe(_:)`` where there is one, as the job's own account for example.
  /// Nil means that the backend was asked and does not have it.
  /// - Parameter timeout: time for all of it.
  func locate(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport?

  /// The jobs with a mark that ended since then: what a lost store is made anew from.
  func recall(since: Date) async throws(BackendError) -> [JobReport]

  /// The job with a mark that has that id and name, in every record that the backend keeps.
  func recall(_ key: JobKey, backendID: String) async throws(BackendError) -> JobReport?

  func cancel(_ job: Job) async throws(BackendError)
  func release(_ job: Job) async throws(BackendError)
  /// Keeps a job that waits from starting until it is released.
  func hold(_ job: Job) async throws(BackendError)
  /// Stops a running job's processes where they are.
  func suspend(_ job: Job) async throws(BackendError)
  /// Lets a suspended job's processes go on.
  func resume(_ job: Job) async throws(BackendError)
  /// Sends a signal to all processes of a running job.
  /// - Parameter signal: its name without SIG.
  func signal(_ job: Job, _ signal: String) async throws(BackendError)

  /// The backend's own account of the job, as text for people.
  func describe(_ job: Job) async throws(BackendError) -> String

  /// The last lines of the job's output; empty when it has written nothing yet.
  func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8]

  /// Files of a job that has started, as a tar.gz: names are `work/...`, `stdout` and `stderr`.
  /// Throws a ``BackendError``, or what a closure has thrown.
  func results(
    of job: Job, matching globs: [ResultGlob], withOutput: Bool,
    onMatched: @escaping @Sendable (Int) async throws -> Void,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws

  /// Paths, sizes and times of the files, some at a time. Throws a ``BackendError``, or what the closure has thrown.
  func files(
    of job: Job, matching globs: [ResultGlob], onFiles: @escaping @Sendable ([JobFile]) async throws -> Void
  ) async throws

  /// Removes the output of a job that is over. Not an error when there is none any more.
  func removeOutput(_ job: Job) async throws(BackendError)

  /// How many bytes the job has printed in all; nil where that cannot be said.
  func outputSize(_ job: Job) async throws(BackendError) -> Int?

  /// Whether files of a job are left after its output was removed.
  var keepsFiles: Bool { get }

  /// Removes the files of a job that is over, after its output. Not an error when there are none any more.
  func removeFiles(_ job: Job) async throws(BackendError)

  /// What lies in a directory of the cluster that is, once every symbolic link is resolved, one of `roots` or below one.
  /// - Parameters:
  ///   - path: absolute; the entries' paths begin with it as it is given.
  ///   - account: whose rights count; nil for the account that observes.
  ///   - roots: absolute directories.
  /// - Throws: ``BackendError/notFound(_:)`` when there is no such directory, also for one that leads elsewhere or that
  ///   the account may not read.
  func list(_ path: String, account: String?, roots: [String]) async throws(BackendError) -> [DirectoryEntry]

  /// Whether jobs that a user talks to while they run can be had.
  var runsInteractiveJobs: Bool { get }

  /// Where an interactive job is reached, once it is.
  func url(of job: Job) -> String?

  /// What keeps the connector from its work right now, a sentence each; empty when nothing does.
  var troubles: [String] { get }

  /// Why no job at all can start right now, though jobs are taken; nil when some can.
  var outage: String? { get }

  /// Whether its jobs wait in Weir's own queue: what they are run by is then kept, sealed, until they are over.
  var queuesHere: Bool { get }

  /// Whether a job can come with an archive that is unpacked where it runs.
  var takesInputs: Bool { get }

  /// Whether the exit code of a job may become known some time after its end.
  var reportsExitCodesLater: Bool { get }

  /// Works on the jobs of a board until the task is cancelled, for a connector that finds machines for them itself.
  func work(on board: any JobBoard) async
}

extension Connector {
  /// For a place that keeps no output.
  public func removeOutput(_ job: Job) async throws(BackendError) {}
  public func outputSize(_ job: Job) async throws(BackendError) -> Int? { nil }
  public var keepsFiles: Bool { false }
  public func removeFiles(_ job: Job) async throws(BackendError) {}
  public func recall(since: Date) async throws(BackendError) -> [JobReport] { [] }
  public func recall(_ key: JobKey, backendID: String) async throws(BackendError) -> JobReport? { nil }
  public var lastSubmit: TimeInterval { 0 }
  public var runsInteractiveJobs: Bool { false }
  public func url(of job: Job) -> String? { nil }
  public var outage: String? { nil }
  public var queuesHere: Bool { false }
  public var takesInputs: Bool { false }
  public var reportsExitCodesLater: Bool { false }
  public func work(on board: any JobBoard) async {}
  public func hold(_ job: Job) async throws(BackendError) { throw cannot("hold") }
  public func suspend(_ job: Job) async throws(BackendError) { throw cannot("suspend") }
  public func resume(_ job: Job) async throws(BackendError) { throw cannot("resume") }
  public func signal(_ job: Job, _ signal: String) async throws(BackendError) { throw cannot("signal") }

  public func results(
    of job: Job, matching globs: [ResultGlob], withOutput: Bool,
    onMatched: @escaping @Sendable (Int) async throws -> Void,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws { throw cannot("fetch files of") }
  public func files(
    of job: Job, matching globs: [ResultGlob], onFiles: @escaping @Sendable ([JobFile]) async throws -> Void
  ) async throws { throw cannot("list files of") }

  private func cannot(_ verb: String) -> BackendError {
    .refused("the connector \(name) cannot \(verb) a job")
  }
}

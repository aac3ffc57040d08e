import Foundation
import JobModel

/// The jobs of a connector that finds machines for them itself: what is known of them, and the ways in which it changes
/// them. Everything that it changes is on disk, in one transaction, before anybody sees it.
///
/// A job's machine and GPUs are its own from ``place(_:)`` until it is over: who holds what is read from the jobs
/// themselves, and so can neither be lost nor be held twice.
public protocol JobBoard: Sendable {
  /// All jobs that are not over.
  var living: [Job] { get }

  /// A job as it is now, if it is living or ended recently.
  func job(_ id: JobID) -> Job?

  /// Calls it with each job that came or changed, in order, on the thread that changed it. There is one who watches.
  func watch(_ body: @escaping @Sendable (Job) -> Void)

  /// Gives jobs that wait their machines; those that do not wait any more are passed over.
  /// - Returns: the jobs that were given theirs, all on disk; none while the disk takes nothing, for a job that was
  ///   started without it would be started again, elsewhere, by a program that has only the disk to go by.
  func place(_ placements: [JobPlacement]) async -> [Job]

  /// Takes a job that certainly was not started back to its place in the queue, or, if it is to be canceled, ends it.
  /// - Parameters:
  ///   - job: as it was placed; not changed if it is another attempt by now.
  ///   - asNextAttempt: whether what was tried left traces, so that the next try needs a number of its own.
  func putBack(_ job: Job, reason: String, asNextAttempt: Bool) async

  /// Ends a job that certainly was not started, for it cannot be.
  /// - Parameter job: as it was placed; not changed if it is another attempt by now.
  func fail(_ job: Job, reason: String) async

  /// Ends a job that was to be canceled before it had a machine.
  func endUnplaced(_ id: JobID) async

  /// Notes where a job's output is.
  func relocate(_ id: JobID, to outputPath: String) async

  /// Takes over what was seen of jobs.
  func report(_ reports: [JobID: JobReport], at time: Date) async

  /// What a job is to be run by.
  func payload(of job: Job) async throws(PayloadError) -> JobPayload

  /// The archive that a job was submitted with.
  func input(of job: Job) throws(PayloadError) -> any InputArchive
}

/// Where a job that waits is to run.
public struct JobPlacement: Sendable {
  public var job: JobID
  public var machine: String
  public var devices: [Device]
  /// Where its output will be, as ``Job/outputPath``; nil leaves that as it is.
  public var outputPath: String?

  public init(job: JobID, machine: String, devices: [Device], outputPath: String? = nil) {
    self.job = job
    self.machine = machine
    self.devices = devices
    self.outputPath = outputPath
  }
}

import Foundation
import JobModel

/// The jobs of a connector that finds machines for them itself: what is known of them, and the ways in which it changes
/// them. Everything that it changes is on disk, in one transaction, before anybody sees it.
///
/// A job's machine and GPUs are its own from ``place(_:)`` until it is over: who holds what is read from the jobs
/// themselves, and so can neither be lost nor be held twice.
public struct JobBoard: Sendable {
  /// Where a job that waits is to run.
  public struct Placement: Sendable {
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

  let ledger: Ledger
  let reconciler: Reconciler
  private var clock: JobClock { ledger.clock }

  /// The source of what Weir's own queue decides.
  private static let source = "queue"

  /// All jobs that are not over.
  public var living: [Job] { ledger.cache.read { $0.jobs.values.filter { !$0.state.isTerminal } } }

  /// A job as it is now, if it is living or ended recently.
  public func job(_ id: JobID) -> Job? { ledger.cache.read { $0.jobs[id] } }

  /// Calls it with each job that came or changed, in order, on the thread that changed it.
  public func watch(_ body: @escaping @Sendable (Job) -> Void) { ledger.bus.subscribe { body($0.job) } }

  /// Gives jobs that wait their machines; those that do not wait any more are passed over.
  /// - Returns: the jobs that were given theirs, all on disk; none while the disk takes nothing, for a job that was
  ///   started without it would be started again, elsewhere, by a program that has only the disk to go by.
  public func place(_ placements: [Placement]) async -> [Job] {
    let placements = Dictionary(placements.map { ($0.job, $0) }, uniquingKeysWith: { $1 })
    return await ledger.transitionOnDisk(Array(placements.keys), actor: "weir") {
      [clock] job throws(IllegalTransition) in
      guard let placement = placements[job.id] else { return }
      try job.apply(
        .placed(machine: placement.machine, devices: placement.devices, outputPath: placement.outputPath),
        at: clock.date,
        source: Self.source)
    }
  }

  /// Takes a job that certainly was not started back to its place in the queue, or, if it is to be canceled, ends it.
  /// - Parameters:
  ///   - job: as it was placed; not changed if it is another attempt by now.
  ///   - asNextAttempt: whether what was tried left traces, so that the next try needs a number of its own.
  public func putBack(_ job: Job, reason: String, asNextAttempt: Bool) async {
    await apply(.putBack(reason: reason, asNextAttempt: asNextAttempt), to: job)
  }

  /// Ends a job that certainly was not started, for it cannot be.
  /// - Parameter job: as it was placed; not changed if it is another attempt by now.
  public func fail(_ job: Job, reason: String) async {
    await apply(.notStartable(reason: reason), to: job)
  }

  private func apply(_ change: JobChange, to job: Job) async {
    await ledger.transition(job, actor: "weir") { [attempt = job.attempt, clock] job throws(IllegalTransition) in
      guard job.attempt == attempt else { return }
      try job.apply(change, at: clock.date, source: Self.source)
    }
  }

  /// Ends a job that was to be canceled before it had a machine.
  public func endUnplaced(_ id: JobID) async {
    guard let job = job(id) else { return }
    await ledger.apply(.canceledUnplaced, to: job, actor: "weir", at: clock.date, source: Self.source)
  }

  /// Notes where a job's output is.
  public func relocate(_ id: JobID, to outputPath: String) async {
    guard let job = job(id) else { return }
    await ledger.transition(job, actor: "weir") { $0.outputPath = outputPath }
  }

  /// Takes over what was seen of jobs.
  public func report(_ reports: [JobID: JobReport], at time: Date) async {
    guard !reports.isEmpty else { return }
    await reconciler.apply(reports, at: time)
  }
}

import Foundation
import JobModel
import Logging
import Support

// What is done to a job that is there already, and what is read of it.
extension JobService {
  /// Ends a job; of one that is over already there is nothing to end.
  public func cancel(_ job: Job, actor: String) async throws(JobError) {
    guard !job.state.isTerminal || job.isCorrectable else { return }
    // That the backend never had it was found out, or an administrator has decided it.
    if job.state.isTerminal, job.backendID == nil { return }
    try requireBackendID(job)
    // Where it is remembered until it is done, who asked for it is written before it can be done.
    if connector.queuesHere { await noteCancel(of: job, actor) }
    do throws(BackendError) {
      try await connector.cancel(job)
    } catch {
      // Gone from the backend's memory means over; the observer finds out how.
      guard case .notFound = error else { throw JobError(error) }
    }
    Checkpoint.reach("cancel.sent")
    if !connector.queuesHere { await noteCancel(of: job, actor) }
    Checkpoint.reach("cancel.written")
    observer.poke()
  }

  private func noteCancel(of job: Job, _ actor: String) async {
    do { try await ledger.noteCancel(of: job, actor: actor, at: configuration.clock.date) } catch {
      logger.warning("\(job.key): the cancel cannot be stored: \(error)")
    }
  }

  /// Lets a held job run.
  public func release(_ job: Job, actor: String) async throws(JobError) {
    guard !job.state.isTerminal else { throw .over(job.key, job.state) }
    try requireBackendID(job)
    do { try await connector.release(job) } catch { throw JobError(error) }
    Checkpoint.reach("release.sent")
    await note(.released, of: job, actor)
  }

  /// Keeps a job that waits from starting until it is released.
  public func hold(_ job: Job, actor: String) async throws(JobError) {
    try await act(on: job, connector.hold)
    await note(.held(reason: "held by \(actor)"), of: job, actor)
  }

  /// What was done to a job that waits is shown at once, if nothing else has become of it meanwhile.
  private func note(_ change: JobChange, of job: Job, _ actor: String) async {
    await ledger.apply(change, to: job, actor: actor, at: configuration.clock.date)
    observer.poke()
  }

  /// Stops a running job's processes where they are; seen as `suspended` once they are.
  public func suspend(_ job: Job) async throws(JobError) { try await act(on: job, connector.suspend) }

  /// Lets a suspended job's processes go on.
  public func resume(_ job: Job) async throws(JobError) { try await act(on: job, connector.resume) }

  /// Sends a signal, by its name without SIG, to all processes of a running job.
  public func signal(_ job: Job, _ signal: String) async throws(JobError) {
    try await act(on: job) { job throws(BackendError) in try await connector.signal(job, signal) }
  }

  private func act(
    on job: Job, _ body: (Job) async throws(BackendError) -> Void
  ) async throws(JobError) {
    guard !job.state.isTerminal else { throw .over(job.key, job.state) }
    try requireBackendID(job)
    do { try await body(job) } catch { throw JobError(error) }
    observer.poke()
  }

  /// The backend's own account of a job.
  public func describe(_ job: Job) async throws(JobError) -> String {
    try requireBackendID(job)
    do { return try await connector.describe(job) } catch { throw JobError(error) }
  }

  /// What lies in a directory of the backend; see ``Connector/list(_:account:roots:)``.
  public func entries(
    of path: String, account: String?, roots: [String]
  ) async throws(JobError) -> [DirectoryEntry] {
    do { return try await connector.list(path, account: account, roots: roots) } catch { throw JobError(error) }
  }

  /// Where an interactive job is reached, once it is.
  public func url(of job: Job) -> String? { connector.url(of: job) }

  func requireBackendID(_ job: Job) throws(JobError) {
    if job.backendID == nil { throw .unsettled(job.key, why: "it is not known yet whether the backend has it") }
  }
}

import ConnectorAPI
import JobModel
import Logging
import Support

/// What is done to jobs that are there already: the backend is asked at once, and its answer is visible at once.
struct JobActions: Sendable {
  let connector: any Connector
  let ledger: Ledger
  let cancels: CancelRequests
  let polls: PollState
  let logger: Logger

  private var clock: JobClock { ledger.clock }

  /// Ends a job; of one that is over already there is nothing to end.
  func cancel(_ job: Job, actor: String) async throws(JobError) {
    guard !job.state.isTerminal || job.isCorrectable else { return }
    // That the backend never had it was found out, or an administrator has decided it.
    if job.state.isTerminal, job.backendID == nil { return }
    try job.requireBackendID()
    // Where it is remembered until it is done, who asked for it is written before it can be done.
    if connector.has(.ownQueue) { await noteCancel(of: job, actor) }
    do throws(BackendError) {
      try await connector.cancel(job)
    } catch {
      // Gone from the backend's memory means over; the next poll finds out how.
      guard case .notFound = error else { throw JobError(error) }
    }
    Checkpoint.reach("cancel.sent")
    if !connector.has(.ownQueue) { await noteCancel(of: job, actor) }
    Checkpoint.reach("cancel.written")
    polls.poke()
  }

  private func noteCancel(of job: Job, _ actor: String) async {
    do { try await cancels.note(job, actor: actor, at: clock.date) } catch {
      logger.warning("\(job.key): the cancel cannot be stored: \(error)")
    }
  }

  /// Lets a held job run.
  func release(_ job: Job, actor: String) async throws(JobError) {
    guard !job.state.isTerminal else { throw .over(job.key, job.state) }
    try job.requireBackendID()
    do { try await connector.releasing.release(job) } catch { throw JobError(error) }
    Checkpoint.reach("release.sent")
    await note(.released, of: job, actor)
  }

  /// Keeps a job that waits from starting until it is released.
  func hold(_ job: Job, actor: String) async throws(JobError) {
    try await act(on: job) { job throws(BackendError) in try await connector.holding.hold(job) }
    await note(.held(by: .user, reason: "held by \(actor)"), of: job, actor)
  }

  /// What was done to a job that waits is shown at once, if nothing else has become of it meanwhile.
  private func note(_ change: JobChange, of job: Job, _ actor: String) async {
    await ledger.apply(change, to: job, actor: actor, at: clock.date)
    polls.poke()
  }

  /// Stops a running job's processes where they are; seen as `suspended` once they are.
  func suspend(_ job: Job) async throws(JobError) {
    try await act(on: job) { job throws(BackendError) in try await connector.suspending.suspend(job) }
  }

  /// Lets a suspended job's processes go on.
  func resume(_ job: Job) async throws(JobError) {
    try await act(on: job) { job throws(BackendError) in try await connector.suspending.resume(job) }
  }

  /// Sends a signal, by its name without SIG, to all processes of a running job.
  func signal(_ job: Job, _ signal: String) async throws(JobError) {
    try await act(on: job) { job throws(BackendError) in try await connector.signalling.signal(job, signal) }
  }

  private func act(
    on job: Job, _ body: (Job) async throws(BackendError) -> Void
  ) async throws(JobError) {
    guard !job.state.isTerminal else { throw .over(job.key, job.state) }
    try job.requireBackendID()
    do { try await body(job) } catch { throw JobError(error) }
    polls.poke()
  }

  /// The backend's own account of a job.
  func describe(_ job: Job) async throws(JobError) -> String {
    try job.requireBackendID()
    do { return try await connector.describing.describe(job) } catch { throw JobError(error) }
  }
}

/// Why a call about jobs was not done.
public enum JobError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The same name and number were submitted with other content.
  case conflict(JobKey)
  /// The backend, or the connector before asking it, says that it cannot be.
  case refused(String)
  /// The backend no longer knows the job.
  case notFound(String)
  /// The backend could not be asked, and did nothing.
  case unavailable(String)
  /// The account of the job cannot be logged in to, and nothing was done.
  case noLogin(account: String, String)
  /// The backend may have done what was asked.
  case interrupted(String)
  /// Whether the backend has the job is being found out.
  case unsettled(JobKey, why: String)
  /// The job waits for its machine.
  case notStarted(JobKey, JobState)
  /// The job still waits or runs.
  case notOver(JobKey, JobState)
  /// The job is over.
  case over(JobKey, JobState)
  /// The job is over for so long that its output, and what its submit was answered, are gone.
  case expired(JobKey, JobState)
  /// The same idempotency key came with other content; the job that has it.
  case idempotencyConflict(JobKey)
  /// The owner has as much as one owner may have; after so many seconds there may be room.
  case limit(String, retryAfter: Int?)
  /// The store cannot be read or written.
  case storage(String)

  public var description: String {
    switch self {
    case .conflict(let key): "job \(key) already exists with different content; use another name or number"
    case .refused(let reason), .notFound(let reason), .unavailable(let reason), .noLogin(_, let reason),
      .interrupted(let reason):
      reason
    case .unsettled(let key, let why): "the submission of job \(key) is in doubt: \(why)"
    case .notStarted(let key, let state): "job \(key) has not started yet: it is \(state.rawValue)"
    case .notOver(let key, let state): "job \(key) has not ended yet: it is \(state.rawValue)"
    case .over(let key, let state): "job \(key) has already ended: it is \(state.rawValue)"
    case .expired(let key, let state):
      "job \(key) has already ended: it is \(state.rawValue); its output is no longer kept"
    case .idempotencyConflict(let key): "this Idempotency-Key belongs to job \(key), which has different content"
    case .limit(let reason, _): reason
    case .storage(let reason): "the job store cannot be used: \(reason)"
    }
  }
}

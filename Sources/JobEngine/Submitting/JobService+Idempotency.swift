import JobModel
import JobStore

extension JobService {
  /// What a submit answers, the first time and every time after.
  public struct Receipt: Sendable, Equatable {
    public let backendID: String
    /// The script as it was sent, secrets masked.
    public let shownScript: String
  }

  /// Whether a job has the key already; throws when that is a job of other content.
  func check(_ key: IdempotencyKey?, for fingerprint: String) async throws(JobError) -> Bool {
    guard let key else { return true }
    let known: Job?
    do { known = try await ledger.store.job(key, limits: configuration.ownerLimits, at: ledger.serviceTime.now) } catch
    {
      throw .storage(StoreError(error).summary)
    }
    guard let known else { return false }
    guard known.fingerprint == fingerprint else { throw .idempotencyConflict(known.key) }
    return true
  }

  /// Gives a key to a job that was submitted without it, or at the same moment with another.
  func bind(_ key: IdempotencyKey?, to jobKey: JobKey) async throws(JobError) {
    guard let key, let job = try await find(jobKey) else { return }
    do {
      let (limits, time) = (configuration.ownerLimits, ledger.serviceTime.now)
      guard try await ledger.store.job(key, limits: limits, at: time)?.id != job.id else { return }
      try await ledger.writing { store in try store.bind(key, to: job, limits: limits, at: time) }
    } catch {
      throw error as? JobError ?? .storage(StoreError(error).summary)
    }
  }
}

import JobModel
import JobStore

/// The keys by which callers mark what they send, so that it is done once.
struct IdempotencyKeys: Sendable {
  let ledger: Ledger
  let limits: OwnerLimits

  /// Whether a job has the key already; throws when that is a job of other content.
  func check(_ key: IdempotencyKey?, for fingerprint: String) async throws(JobError) -> Bool {
    guard let key else { return true }
    let known: Job?
    do { known = try await ledger.store.job(key, limits: limits, at: ledger.serviceTime.now) } catch {
      throw JobError(store: error)
    }
    guard let known else { return false }
    guard known.fingerprint == fingerprint else { throw .idempotencyConflict(known.key) }
    return true
  }

  /// Gives a key to a job that was submitted without it, or at the same moment with another.
  func bind(_ key: IdempotencyKey?, to jobKey: JobKey) async throws(JobError) {
    guard let key else { return }
    do {
      guard let job = try await ledger.find(jobKey) else { return }
      let (limits, time) = (limits, ledger.serviceTime.now)
      guard try await ledger.store.job(key, limits: limits, at: time)?.id != job.id else { return }
      try await ledger.writing { store in try store.bind(key, to: job, limits: limits, at: time) }
    } catch {
      throw JobError(store: error)
    }
  }
}

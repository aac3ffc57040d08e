import Foundation
import JobModel

/// What one owner may have in the store. It binds whom a job is for, whoever sends it. 0 is no limit.
public struct OwnerLimits: Sendable, Equatable {
  /// Jobs that wait at one time.
  public var waitingJobs = 1000
  /// Bytes of scripts, archives and answers; and, with these, of copies of output, of which the oldest go.
  public var bytes = 4 << 30
  /// Idempotency keys of all jobs.
  public var keys = 10_000
  public var keysPerJob = 16
  /// Seconds for which a key counts.
  public var keyAge: TimeInterval = 604_800

  public init() {}

  package static var unlimited: OwnerLimits {
    var limits = OwnerLimits()
    (limits.waitingJobs, limits.bytes, limits.keys, limits.keysPerJob, limits.keyAge) = (0, 0, 0, 0, 0)
    return limits
  }

  /// Keys that are not newer than this count no more.
  /// - Parameter time: the service time.
  package func oldestKey(at time: Date) -> Date {
    keyAge == 0 ? Date(timeIntervalSince1970: 0) : (time - keyAge).stored
  }

  /// - Parameter waiting: how many of the owner's jobs wait already.
  package func checkWaiting(_ waiting: Int, of owner: String) throws(JobError) {
    guard waitingJobs > 0, waiting >= waitingJobs else { return }
    throw .limit(
      "\(owner) has \(waiting) waiting jobs, and may have \(waitingJobs) (WEIR_OWNER_WAITING_JOBS); submit more when some of them have started",
      retryAfter: 60)
  }

  /// - Parameter bytes: what would be kept for the owner.
  package func checkBytes(_ bytes: Int, of owner: String) throws(JobError) {
    guard self.bytes > 0, bytes > self.bytes else { return }
    throw tooManyBytes(of: owner)
  }

  package func tooManyBytes(of owner: String) -> JobError {
    .limit(
      "scripts, archives and answers of \(owner) would take more than the \(bytes) bytes that they may take (WEIR_OWNER_BYTES); they are removed with the output of ended jobs",
      retryAfter: nil)
  }

  package func checkKeys(ofOwner count: Int, _ owner: String) throws(JobError) {
    guard keys > 0, count >= keys else { return }
    throw .limit(
      "jobs of \(owner) have \(count) idempotency keys, and may have \(keys) (WEIR_OWNER_IDEMPOTENCY_KEYS); a key is forgotten after \(Int(keyAge)) seconds",
      retryAfter: nil)
  }

  package func checkKeys(ofJob count: Int, _ job: JobKey) throws(JobError) {
    guard keysPerJob > 0, count >= keysPerJob else { return }
    throw .limit(
      "job \(job) has \(count) idempotency keys, and may have \(keysPerJob) (WEIR_JOB_IDEMPOTENCY_KEYS); send the call with one of them, or without a key",
      retryAfter: nil)
  }
}

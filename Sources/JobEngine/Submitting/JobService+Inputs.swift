import Archives
import Foundation
import JobModel
import JobStore

extension JobService {
  /// Runs a job, once, however often the same submission arrives.
  /// - Parameter idempotencyKey: what the caller marked it with; the same key with other content is refused.
  public func submit(
    _ submission: JobSpec, actor: String, idempotencyKey: IdempotencyKey? = nil
  ) async throws -> Receipt {
    guard submission.entryPoint == nil else {
      throw JobError.refused("entrypoint: the submission has no archive")
    }
    return try await submit(submission, archive: nil, actor: actor, idempotencyKey: idempotencyKey)
  }

  /// Runs a job on an archive, a tar.gz that is unpacked into its directory before it starts.
  ///
  /// The archive is on the disk, and was found to write nothing outside that directory, before anything else is done. It
  /// is kept for as long as the job's output is.
  /// - Parameter chunks: gives the archive's next bytes, nil at its end. What it throws is thrown, and nothing is left.
  /// - Throws: ``JobError/refused(_:)`` with the name of the entry for which it is refused.
  public func submit(
    _ submission: JobSpec, actor: String, idempotencyKey: IdempotencyKey? = nil,
    input chunks: @Sendable () async throws -> [UInt8]?
  ) async throws -> Receipt {
    guard connector.takesInputs else { throw JobError.refused("the connector \(connector.name) accepts no archives") }
    // What cannot be anyway need not be sent whole.
    _ = try preview(submission)
    let room = try await room(of: submission.owner)
    let archive = InputWriter(
      to: ledger.store, limit: min(configuration.inputSize, room), limits: configuration.inputLimits,
      excess: room < configuration.inputSize ? configuration.ownerLimits.tooManyBytes(of: submission.owner) : nil)
    while let bytes = try await chunks() { try await archive.write(bytes) }
    var submission = submission
    submission.input = try await archive.finish(entryPoint: submission.entryPoint)
    return try await submit(submission, archive: archive, actor: actor, idempotencyKey: idempotencyKey)
  }

  /// Bytes that may still be kept for an owner.
  /// - Throws: ``JobError/limit(_:retryAfter:)`` when there are none.
  private func room(of owner: String) async throws(JobError) -> Int {
    let limits = configuration.ownerLimits
    let kept: Int
    do { kept = try await ledger.store.keptBytes(of: owner).fixed } catch { throw .storage(StoreError(error).summary) }
    try limits.checkBytes(kept + 1, of: owner)
    return limits.bytes == 0 ? .max : limits.bytes - kept
  }

  /// The archive that a job was submitted with, byte by byte.
  /// - Throws: ``JobError/notFound(_:)`` when there was none; ``JobError/expired(_:_:)`` when it is no longer kept.
  public func input(of job: Job) async throws(JobError) -> InputReader {
    guard job.input != nil else { throw .notFound("job \(job.key) was submitted without an archive") }
    try await requireKept(job)
    do { return InputReader(try ledger.store.input(of: job.id)) } catch { throw .storage(error.summary) }
  }

  /// Throws when the output of a job is no longer answered.
  func requireKept(_ job: Job) async throws(JobError) {
    guard try await retention(of: job)?.expiredAt == nil else { throw .expired(job.key, job.state) }
  }

  /// What became of what is left of a job; nil while it is not over.
  func retention(of job: Job) async throws(JobError) -> Retention? {
    do { return try await ledger.store.retention(of: job.id) } catch { throw .storage(StoreError(error).summary) }
  }
}

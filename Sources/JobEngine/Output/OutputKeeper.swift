import ConnectorAPI
import Foundation
import JobModel
import JobStore
import Logging
import Support

/// Answers with what jobs have printed. The output of an ended job is read from the backend once, kept, and answered with
/// the same bytes until its time is over.
struct OutputKeeper: Sendable {
  let connector: any Connector
  let configuration: JobService.Configuration
  let ledger: Ledger
  let logger: Logger

  private var store: any JobStore { ledger.store }

  // MARK: Output of ended jobs

  /// See ``JobService/finalOutput(_:)``.
  func finalOutput(_ job: Job) async throws(JobError) -> [UInt8] {
    try await requireEnd(of: job)
    let (known, isAnswered) = try await kept(job) { store.keptOutput(of: job.id) }
    if let known, isAnswered { return known }
    var output = known ?? []
    if known == nil, job.backendID != nil {
      do { output = try await lastOutput(of: job) } catch { throw JobError(error) }
    }
    Checkpoint.reach("output.read", if: known == nil)
    do {
      let isInTime: Bool
      (output, isInTime) = try await keep(output, of: job, on: ledger)
      Checkpoint.reach("output.noted")
      guard isInTime else { throw JobError.expired(job.key, job.state) }
    } catch let error as JobError {
      throw error
    } catch {
      // A disk that takes nothing keeps nobody from reading. What was not noted as answered is not removed.
      logger.warning("\(job.key): the output was returned, but not stored: \(error)")
    }
    return output
  }

  /// The same as ``finalOutput(_:)``, read from the kept copy bit by bit once there is one.
  func finalOutputSource(of job: Job) async throws(JobError) -> OutputSource {
    try await requireEnd(of: job)
    if let known = try await keptSource(of: job), known.isAnswered { return known.source }
    let output = try await finalOutput(job)
    if let kept = try await keptSource(of: job), kept.source.count == output.count { return kept.source }
    return OutputSource(output)
  }

  /// The kept copy of output that was answered before; nil when there is none.
  func answeredOutputSource(of job: Job) async throws(JobError) -> OutputSource? {
    guard let kept = try await keptSource(of: job), kept.isAnswered else { return nil }
    return kept.source
  }

  /// See ``JobService/toldEnd(of:)``.
  func toldEnd(of job: Job) async throws(JobError) -> ToldEnd? {
    do { return try await store.toldEnd(of: job.id) } catch { throw JobError(store: error) }
  }

  private func requireEnd(of job: Job) async throws(JobError) {
    if !job.state.isTerminal, try await toldEnd(of: job) == nil { throw .notOver(job.key, job.state) }
  }

  /// The last lines that a job has printed. Where that is not all, the first line says how much is left out.
  private func lastOutput(of job: Job) async throws(BackendError) -> [UInt8] {
    let output = try await connector.readingOutput.output(job, lines: configuration.keptLines)
    // What is left out of less was never there: the size is asked for only where a bound may have cut something.
    guard output.count >= 1 << 20 || output.count(where: { $0 == 10 }) >= configuration.keptLines - 1,
      let size = try await connector.readingOutput.outputSize(job), size > output.count
    else { return output }
    let notice =
      "... the first \(size - output.count) bytes of the output are left out, the last \(configuration.keptLines) lines follow ...\n"
    return Array(notice.utf8) + output
  }

  // MARK: The kept copy

  /// Keeps the output that is to be answered of a job that has ended, and notes that it is.
  ///
  /// Ends are corrected on the ledger as well, so that an end is either answered or corrected first.
  /// - Returns: the output that is answered, and whether it had not expired.
  /// - Throws: a ``JobError`` when the end was corrected while the backend was asked, and was not answered before.
  private func keep(
    _ output: [UInt8], of job: Job, on ledger: isolated Ledger
  ) throws -> (output: [UInt8], isInTime: Bool) {
    if job.state.isTerminal, let known = ledger.current(job), !known.hasSameEnd(as: job),
      try !ledger.store.hasToldEnd(of: job.id)
    {
      guard known.state.isTerminal else { throw JobError.notOver(job.key, known.state) }
      throw JobError.unavailable("the end of job \(job.key) was corrected just now; send the same request again")
    }
    let (now, due) = (ledger.clock.date, ledger.serviceTime.now + configuration.keepOutput)
    return try ledger.writing { [limit = configuration.ownerLimits.bytes] store in
      let kept = try store.keep(output: output, of: job.id)
      let isInTime = try store.answered(job.id, size: kept.count, at: now, due: due)
      try store.makeRoom(of: job.owner, besides: job.id, limit: limit)
      return (kept, isInTime)
    }
  }

  /// The kept output of an ended job in some form, and whether it was asked for before. The form is nil when there is none,
  /// and when the copy cannot be read: then the backend is asked again.
  private func kept<Form>(
    _ job: Job, as form: () -> Form?
  ) async throws(JobError) -> (output: Form?, isAnswered: Bool) {
    let retention = try await retention(of: job)
    guard retention?.expiredAt == nil else { throw .expired(job.key, job.state) }
    return (form(), retention?.answeredAt != nil)
  }

  private func keptSource(of job: Job) async throws(JobError) -> (source: OutputSource, isAnswered: Bool)? {
    let (file, isAnswered) = try await kept(job) { store.keptOutputFile(of: job.id) }
    return file.map { (OutputSource($0), isAnswered) }
  }

  // MARK: The rest of what is kept

  /// The last lines of a job's output, as it is now.
  func tailSource(of job: Job, lines: Int) async throws(JobError) -> OutputSource {
    try job.requireBackendID()
    // What was answered of an end that was corrected is not all that the job has printed.
    if job.state.isTerminal, try await toldEnd(of: job) == nil, let kept = try await keptSource(of: job) {
      return try kept.source.last(lines)
    }
    do { return OutputSource(try await connector.readingOutput.output(job, lines: lines)) } catch {
      throw JobError(error)
    }
  }

  /// The script of a job as it may be shown; nil when it is not kept, or cannot be read now.
  func shownScript(of job: Job) async -> String? { try? await store.shownScript(of: job.id) }

  /// The archive that a job was submitted with, byte by byte.
  /// - Throws: ``JobError/notFound(_:)`` when there was none; ``JobError/expired(_:_:)`` when it is no longer kept.
  func input(of job: Job) async throws(JobError) -> InputReader {
    guard job.input != nil else { throw .notFound("job \(job.key) was submitted without an archive") }
    guard try await retention(of: job)?.expiredAt == nil else { throw .expired(job.key, job.state) }
    do { return InputReader(try store.input(of: job.id)) } catch { throw .storage(error.summary) }
  }

  /// What became of what is left of a job; nil while it has not ended.
  func retention(of job: Job) async throws(JobError) -> Retention? {
    do { return try await store.retention(of: job.id) } catch { throw JobError(store: error) }
  }
}

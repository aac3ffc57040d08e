import ConnectorAPI
import JobModel
import JobStore
import Support

/// Submits jobs, each once, however often the same submission arrives: the row is written, then the backend is asked,
/// then its answer is written.
final class Submitter: Sendable {
  private typealias Receipt = JobService.Receipt

  /// What arrived.
  private struct Submission: Sendable {
    let spec: JobSpec
    /// What it came with; nothing keeps it if the job is there already.
    let archive: InputWriter?
    let fingerprint: String
    let actor: String
    let idempotencyKey: IdempotencyKey?
  }

  private let connector: any Connector
  private let configuration: JobService.Configuration
  private let ledger: Ledger
  private let jobs: JobReader
  private let polls: PollState
  private let resolver: InDoubtResolver
  private let recovery: Recovery
  private let keys: IdempotencyKeys
  private let underWay: SubmissionsUnderWay

  init(
    connector: any Connector, configuration: JobService.Configuration, ledger: Ledger, jobs: JobReader,
    polls: PollState, resolver: InDoubtResolver, recovery: Recovery, underWay: SubmissionsUnderWay
  ) {
    (self.connector, self.configuration, self.ledger, self.jobs) = (connector, configuration, ledger, jobs)
    (self.polls, self.resolver, self.recovery, self.underWay) = (polls, resolver, recovery, underWay)
    keys = IdempotencyKeys(ledger: ledger, limits: configuration.ownerLimits)
  }

  private var clock: JobClock { configuration.clock }

  // MARK: Taking submissions

  /// Checks a submission and renders its script, secrets masked, without asking the backend.
  func preview(_ spec: JobSpec) throws(JobError) -> String {
    do { return try connector.preview(spec) } catch { throw JobError(error) }
  }

  /// See ``JobService/submit(_:actor:idempotencyKey:)``.
  func submit(_ spec: JobSpec, actor: String, idempotencyKey: IdempotencyKey?) async throws -> JobService.Receipt {
    guard spec.entryPoint == nil else { throw JobError.refused("entrypoint: the submission has no archive") }
    return try await submit(
      Submission(
        spec: spec, archive: nil, fingerprint: spec.fingerprint, actor: actor, idempotencyKey: idempotencyKey))
  }

  /// See ``JobService/submit(_:actor:idempotencyKey:input:)``.
  func submit(
    _ spec: JobSpec, actor: String, idempotencyKey: IdempotencyKey?, input chunks: @Sendable () async throws -> [UInt8]?
  ) async throws -> JobService.Receipt {
    guard connector.has(.stagingInputs) else { throw JobError(Capability.stagingInputs.refusal(by: connector.name)) }
    // What cannot be anyway need not be sent whole.
    _ = try preview(spec)
    let room = try await room(of: spec.owner)
    let archive = InputWriter(
      to: ledger.store, limit: min(configuration.inputSize, room), limits: configuration.inputLimits,
      excess: room < configuration.inputSize ? configuration.ownerLimits.tooManyBytes(of: spec.owner) : nil)
    while let bytes = try await chunks() { try await archive.write(bytes) }
    var spec = spec
    spec.input = try await archive.finish(entryPoint: spec.entryPoint)
    return try await submit(
      Submission(
        spec: spec, archive: archive, fingerprint: spec.fingerprint, actor: actor, idempotencyKey: idempotencyKey))
  }

  /// Bytes that may still be kept for an owner.
  /// - Throws: ``JobError/limit(_:retryAfter:)`` when there are none.
  private func room(of owner: String) async throws(JobError) -> Int {
    let limits = configuration.ownerLimits
    let kept: Int
    do { kept = try await ledger.store.keptBytes(of: owner).fixed } catch { throw JobError(store: error) }
    try limits.checkBytes(kept + 1, of: owner)
    return limits.bytes == 0 ? .max : limits.bytes - kept
  }

  private func submit(_ submission: Submission) async throws -> Receipt {
    let key = submission.spec.key
    let isBound = try await keys.check(submission.idempotencyKey, for: submission.fingerprint)
    let deadline = clock.now + configuration.submitTime
    while true {
      let (fingerprint, task) = underWay.join(key, fingerprint: submission.fingerprint) {
        try await self.submitOnce(submission)
      }
      if fingerprint == submission.fingerprint {
        let receipt = try await task.value
        if !isBound { try await keys.bind(submission.idempotencyKey, to: key) }
        return receipt
      }
      // That one may make no job, or be refused since there is one with this content.
      _ = await task.result
      guard clock.now < deadline else {
        throw JobError.unavailable("other submissions of job \(key) are under way")
      }
    }
  }

  // MARK: One submission

  private func submitOnce(_ submission: Submission) async throws -> Receipt {
    polls.noteAsked()
    let deadline = clock.now + configuration.submitTime
    try await recovery.requireSearched()
    if let known = try await jobs.find(submission.spec.key),
      let receipt = try await receipt(of: known, for: submission, until: deadline)
    {
      return receipt
    }
    // No such job is known, or the backend never had it: this is a new try.
    let shownScript = try preview(submission.spec)
    Checkpoint.reach("submit.begun")
    let job = Job(submission.spec, fingerprint: submission.fingerprint, connector: connector, clock: clock)
    let mark =
      configuration.recoveryKey?.mark(
        of: submission.spec, token: job.submissionToken, fingerprint: submission.fingerprint)
      ?? Mark(token: job.submissionToken)
    try await write(job, mark, submission, shownScript: shownScript)
    Checkpoint.reach("submit.row-written")
    let id: String
    do throws(BackendError) { id = try await connector.submit(submission.spec, mark: mark) } catch {
      return try await receipt(of: job, after: error, until: deadline)
    }
    Checkpoint.reach("submit.answered")
    // Refused where a poll has shown it before its answer was here.
    await ledger.apply(
      .accepted(backendID: id, held: submission.spec.held), to: job, actor: submission.actor, at: clock.date)
    Checkpoint.reach("submit.id-written")
    polls.poke()
    return Receipt(backendID: id, shownScript: shownScript)
  }

  /// What a submission is answered whose name and number are known.
  /// - Returns: nil when the backend never had that job.
  private func receipt(
    of known: Job, for submission: Submission, until deadline: ContinuousClock.Instant
  ) async throws -> Receipt? {
    if known.isAdopted {
      let id = try recovery.backendID(
        of: known, submittedAgain: submission.spec, fingerprint: submission.fingerprint)
      return Receipt(backendID: id, shownScript: try preview(submission.spec))
    }
    guard known.fingerprint == submission.fingerprint else { throw JobError.conflict(known.key) }
    if let receipt = try await receipt(of: known) { return receipt }
    if known.state.isTerminal {
      try await resolver.requireAbsent(known)
      return nil
    }
    return try await resolve(known, why: "an earlier answer was lost", until: deadline)
  }

  private func receipt(of job: Job) async throws(JobError) -> Receipt? {
    guard let id = job.backendID else { return nil }
    let script: String?
    do { script = try await ledger.store.shownScript(of: job.id) } catch { throw JobError(store: error) }
    guard let script else { throw JobError.expired(job.key, job.state) }
    return Receipt(backendID: id, shownScript: script)
  }

  private func resolve(_ job: Job, why: String, until deadline: ContinuousClock.Instant) async throws -> Receipt? {
    guard let found = try await resolver.resolve(job, why: why, until: deadline) else { return nil }
    return try await receipt(of: found)
  }

  /// Writes the row of a new job, with all that must not be lost once the backend was asked.
  private func write(_ job: Job, _ mark: Mark, _ submission: Submission, shownScript: String) async throws(JobError) {
    do {
      let payload = connector.has(.ownQueue) ? try JobPayload(submission.spec, mark: mark.description).encoded() : nil
      // A row that is there has its archive, or none.
      try await submission.archive?.keep(of: job.id)
      try await ledger.insert(
        job, shownScript: shownScript, actor: submission.actor, idempotencyKey: submission.idempotencyKey,
        payload: payload, limits: configuration.ownerLimits)
    } catch {
      if submission.archive != nil { ledger.store.removeInput(of: job.id) }
      throw JobError(store: error)
    }
  }

  /// What a submit is answered that the backend did not accept, or whose answer was lost.
  private func receipt(
    of job: Job, after error: BackendError, until deadline: ContinuousClock.Instant
  ) async throws -> Receipt {
    switch error {
    case .interrupted(let reason):
      if let receipt = try await resolve(job, why: reason, until: deadline) { return receipt }
      throw JobError.unsettled(job.key, why: reason)
    case .refused, .notFound, .unavailable, .noLogin:
      Checkpoint.reach("submit.refused")
      await ledger.remove(job, why: "the backend did not accept it: \(error)")
      Checkpoint.reach("submit.row-removed")
      throw JobError(error)
    }
  }
}

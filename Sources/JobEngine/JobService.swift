import Archives
import Foundation
import JobModel
import JobStore
import Logging
import Support
import Synchronization

/// What callers may do with jobs: submit, look, cancel, release, read.
///
/// Looking never waits for the backend: one observer asks it about all jobs at once, and readers see what it saw last.
/// Everything else goes to the backend at once, and its effect is visible at once.
public final class JobService: Sendable {
  public struct Configuration: Sendable {
    /// The least time between two observations.
    public var pollInterval: Duration = .seconds(2)
    /// The least time between two observations when something just changed.
    public var earlyPollInterval: Duration = .milliseconds(500)
    /// How long the last complete observation is served while newer ones fail.
    public var staleAfter: Duration = .seconds(60)
    /// How long complete observations, three at least, must miss a job before it may be called lost, in seconds.
    public var lostAfter: TimeInterval = 600
    /// How long a job may be in doubt, unknown, or running though it was canceled, before administrators are shown it.
    public var stuckAfter: Duration = .seconds(120)
    /// How long a job whose submission was never confirmed is looked for, in seconds.
    public var submitDeadline: TimeInterval = 60
    /// How long a caller of submit is kept waiting when the backend's answer was lost.
    public var settleTime: Duration = .seconds(3)
    /// How long a caller of submit is kept waiting in all; the upstream waits 20 s.
    public var submitTime: Duration = .seconds(18)
    /// How many jobs that are over stay in memory; the others are read from disk.
    public var recentCount = 1000
    /// How long the output of a job is answered after it was first asked for, in seconds; then it is removed.
    public var keepOutput: TimeInterval = 86_400
    /// How long output is kept that nobody asks for, in seconds from the job's end.
    public var unclaimedOutput: TimeInterval = 8 * 86_400
    /// Lines of output that are kept of a job that is over.
    public var keptLines = 10_000
    /// How long a job that moves from one list to the other is shown in both.
    public var lingering: Duration = .seconds(5)
    /// The longest time between two observations while nothing lives and nobody asks.
    public var idlePollInterval: Duration = .seconds(30)
    /// How long after somebody asked that begins.
    public var idleAfter: Duration = .seconds(15)
    /// How jobs in the backend are made known to a store that was lost; nil for never.
    public var adoption: Adoption?
    /// How far back the records of ended jobs are searched for a store that was lost, in seconds.
    public var recallInterval: TimeInterval = 86_400
    /// How long submits wait for that search when it fails.
    public var recallTime: Duration = .seconds(600)
    /// How long files of jobs that are over are kept, in seconds from the job's end.
    public var keepFiles: TimeInterval = 2_592_000
    /// How long the record of a job is kept after its output was removed, in seconds; never shorter than its idempotency keys.
    public var keepJobs: TimeInterval = 7_776_000
    /// How many jobs a large poll writes at a time. Between two pages others have their turn, such as a new job: it never
    /// waits until a hundred thousand ends are on disk.
    public var page = 500
    /// What one owner may have.
    public var ownerLimits = OwnerLimits()
    /// Bytes of an archive that a job is submitted with.
    public var inputSize = 10 << 30
    /// What may be in it.
    public var inputLimits = ArchiveLimits()
    public var clock = JobClock.system

    public init() {}

    /// How long output is kept that nobody asks for, where what was asked for is kept for so many seconds.
    public static func unclaimedOutput(keeping seconds: TimeInterval) -> TimeInterval { seconds + 7 * 86_400 }
  }

  let connector: any Connector
  let configuration: Configuration
  let logger: Logger
  let ledger: Ledger
  let observer: ObserverState
  let retention = RetentionStatus()
  let recall = Recall()
  let unsettled: Retries
  let absent: Retries
  let cancels: Retries
  private let submitting = Mutex<[JobKey: (fingerprint: String, task: Task<Receipt, any Error>)]>([:])
  private let running = Mutex<Task<Void, Never>?>(nil)

  package init(
    store: any JobStore, connector: any Connector, configuration: Configuration = .init(), logger: Logger
  ) {
    self.connector = connector
    self.configuration = configuration
    self.logger = logger
    ledger = Ledger(
      store: store, configuration: configuration, awaitsExitCodes: connector.reportsExitCodesLater, logger: logger)
    observer = ObserverState(clock: configuration.clock)
    unsettled = Retries(longestPause: .seconds(15), clock: configuration.clock)
    absent = Retries(longestPause: .seconds(300), clock: configuration.clock)
    cancels = Retries(longestPause: .seconds(300), clock: configuration.clock)
  }

  /// Reads what is known from the store, and begins to observe.
  public func start() async throws {
    try await ledger.load()
    try ledger.store.removeStrayInputs()
    recall.begin(
      adopting: configuration.adoption != nil,
      since: Recall.begin(
        now: configuration.clock.date, lastSubmit: try ledger.store.lastSubmit(),
        interval: configuration.recallInterval))
    running.withLock { running in
      guard running == nil else { return }
      running = Task {
        await withDiscardingTaskGroup { group in
          group.addTask { await self.connector.work(on: JobBoard(ledger: self.ledger)) }
          group.addTask { await self.observe() }
          group.addTask { await self.settle() }
          group.addTask { await self.removeOutputs() }
          group.addTask { await self.examineStore() }
        }
      }
    }
  }

  /// Ends observing. Jobs go on without us.
  public func stop() async {
    let task = running.withLock { $0.take() }
    task?.cancel()
    await task?.value
    await ledger.flush()
  }

  // MARK: Looking

  /// The job of that name and number if it is living or ended recently; answers at once.
  public func recent(_ key: JobKey) -> Job? {
    observer.noteAsked()
    return ledger.cache.read { $0.job(named: key) }
  }

  /// The job of that name and number, however old.
  public func find(_ key: JobKey) async throws(JobError) -> Job? {
    do { return try await ledger.find(key) } catch { throw .storage(StoreError(error).summary) }
  }

  /// A living job as the lists show it.
  public struct Listed: Sendable, Equatable {
    public let name: String
    public let id: String
  }

  /// One of the two lists of living jobs, oldest first, with the generation of the jobs that it shows.
  /// - Parameter owner: whose jobs; nil for everybody's.
  public func list(_ list: JobList, owner: String? = nil) throws(JobError) -> (generation: UInt64, jobs: [Listed]) {
    try requireFresh()
    return ledger.cache.read { contents in
      let now = configuration.clock.now
      let jobs = contents.jobs.values.filter { job in
        guard owner.map(job.isOwned) ?? true, let current = job.list else { return false }
        return current == list || contents.moved[job.id].map { $0.from == list && $0.until > now } ?? false
      }
      return (
        contents.generation,
        jobs.sorted { $0.id < $1.id }.map { Listed(name: $0.name, id: $0.backendID ?? $0.id.rawValue) }
      )
    }
  }

  /// Counts changes of the jobs; throws when what is known is too old to be served.
  public func generation() throws(JobError) -> UInt64 {
    try requireFresh()
    return ledger.cache.read { $0.generation }
  }

  private func requireFresh() throws(JobError) {
    observer.noteAsked()
    let status = observer.status
    guard let last = status.lastComplete else {
      throw .unavailable(status.failure ?? "the first poll of the backend is under way")
    }
    let age = configuration.clock.now - last
    if age > configuration.staleAfter {
      throw .unavailable(
        "\(status.failure ?? "the backend has not answered"); last seen \(age.components.seconds) s ago")
    }
  }

  /// Why the backend cannot be used right now; nil when it answered the last look in full.
  public var trouble: String? {
    let status = observer.status
    return status.failure
      ?? (status.lastComplete == nil ? "the first poll of the backend is under way" : connector.outage)
  }

  /// What keeps single users from it, a sentence each.
  public var warnings: [String] {
    let trouble = trouble
    return connector.troubles.filter { $0 != trouble } + retention.warnings + ledger.store.health.warnings + stuck
  }

  /// Why nothing new can be written to the store; nil when it can.
  public var storeTrouble: String? { ledger.cache.read { $0.storeTrouble } }

  /// How many jobs that are not over are in each state.
  public var census: [String: Int] {
    ledger.cache.read { contents in
      contents.jobs.values.reduce(into: [:]) { if !$1.state.isTerminal { $0[$1.state.rawValue, default: 0] += 1 } }
    }
  }

  // MARK: Submitting

  /// Checks a submission and renders its script, secrets masked, without asking the backend.
  public func preview(_ submission: JobSpec) throws(JobError) -> String {
    do { return try connector.preview(submission) } catch { throw JobError(error) }
  }

  /// Runs a job, once, however often the same submission arrives.
  /// - Parameter archive: what it was submitted with; nothing keeps it if the job is there already.
  func submit(
    _ submission: JobSpec, archive: InputWriter?, actor: String, idempotencyKey: IdempotencyKey?
  ) async throws -> Receipt {
    let key = submission.key
    let fingerprint = submission.fingerprint
    let bound = try await check(idempotencyKey, for: fingerprint)
    let deadline = ContinuousClock.now + configuration.submitTime
    while true {
      let (other, task) = submitting.withLock { submitting -> (String, Task<Receipt, any Error>) in
        if let current = submitting[key] { return current }
        let task = Task {
          defer { self.submitting.withLock { $0[key] = nil } }
          return try await self.submitOnce(
            submission, archive: archive, fingerprint: fingerprint, actor: actor, idempotencyKey: idempotencyKey)
        }
        submitting[key] = (fingerprint, task)
        return (fingerprint, task)
      }
      if other == fingerprint {
        let receipt = try await task.value
        if !bound { try await bind(idempotencyKey, to: key) }
        return receipt
      }
      // That one may make no job, or be refused since there is one with this content.
      _ = await task.result
      guard ContinuousClock.now < deadline else {
        throw JobError.unavailable("other submissions of job \(key) are under way")
      }
    }
  }

  private func submitOnce(
    _ submission: JobSpec, archive: InputWriter?, fingerprint: String, actor: String,
    idempotencyKey: IdempotencyKey?
  ) async throws -> Receipt {
    observer.noteAsked()
    let deadline = ContinuousClock.now + configuration.submitTime
    try await requireRecalled()
    if let known = try await find(submission.key) {
      if known.isAdopted { return try receipt(forAdopted: known, submittedAgain: submission, fingerprint) }
      guard known.fingerprint == fingerprint else { throw JobError.conflict(known.key) }
      if let receipt = try await receipt(for: known) { return receipt }
      if known.state.isTerminal {
        try await requireAbsent(known)
      } else if let receipt = try await settle(known, why: "an earlier answer was lost", until: deadline) {
        return receipt
      }
      // It is known that the backend never had it: this is a new try.
    }
    let shownScript = try preview(submission)
    Checkpoint.reach("submit.begun")
    let job = Job(submission, fingerprint: fingerprint, connector: connector, clock: configuration.clock)
    let mark =
      configuration.adoption?.mark(of: submission, token: job.submissionToken, fingerprint: fingerprint)
      ?? Mark(token: job.submissionToken)
    do {
      let payload = connector.queuesHere ? try JobBoard.Payload(submission, mark).encoded() : nil
      // A row that is there has its archive, or none.
      try await archive?.keep(of: job.id)
      try await ledger.insert(
        job, shownScript: shownScript, actor: actor, idempotencyKey: idempotencyKey, payload: payload,
        limits: configuration.ownerLimits)
    } catch {
      if archive != nil { ledger.store.removeInput(of: job.id) }
      throw error as? JobError ?? .storage(StoreError(error).summary)
    }
    Checkpoint.reach("submit.row-written")
    let id: String
    do throws(BackendError) {
      id = try await connector.submit(submission, mark: mark)
    } catch {
      switch error {
      case .interrupted(let reason):
        if let receipt = try await settle(job, why: reason, until: deadline) { return receipt }
        throw JobError.unsettled(job.key, why: reason)
      case .refused, .notFound, .unavailable, .noLogin:
        Checkpoint.reach("submit.refused")
        await ledger.remove(job, why: "the backend did not accept it: \(error)")
        Checkpoint.reach("submit.row-removed")
        throw JobError(error)
      }
    }
    Checkpoint.reach("submit.answered")
    // Refused where the observer has seen it before its answer was here.
    await ledger.apply(
      .accepted(backendID: id, held: submission.held), to: job, actor: actor, at: configuration.clock.date)
    Checkpoint.reach("submit.id-written")
    observer.poke()
    return Receipt(backendID: id, shownScript: shownScript)
  }

  /// Whether a submit of that name and number is under way right now.
  func isSubmitting(_ key: JobKey) -> Bool { submitting.withLock { $0[key] != nil } }

  private func receipt(for job: Job) async throws -> Receipt? {
    guard let id = job.backendID else { return nil }
    let script: String?
    do { script = try await ledger.store.shownScript(of: job.id) } catch {
      throw JobError.storage(StoreError(error).summary)
    }
    guard let script else { throw JobError.expired(job.key, job.state) }
    return Receipt(backendID: id, shownScript: script)
  }

  /// Finds out whether a job whose answer was lost has reached the backend, for as long as a caller can wait.
  /// - Returns: nil once its deadline is over and the backend was asked in vain.
  private func settle(_ job: Job, why: String, until latest: ContinuousClock.Instant) async throws -> Receipt? {
    let deadline = min(latest, .now + configuration.settleTime)
    var pause = Duration.milliseconds(300)
    await ledger.apply(
      .answerLost(reason: "searching the backend for it: \(why)"), to: job, actor: "weir", at: configuration.clock.date)
    observer.poke()
    while true {
      // The observer may have found it meanwhile.
      if let known = recent(job.key), let receipt = try await receipt(for: known) { return receipt }
      if let known = await lookFor(job, timeout: deadline - .now) {
        observer.poke()
        if let receipt = try await receipt(for: known) { return receipt }
        if known.state.isTerminal { return nil }
      }
      guard ContinuousClock.now + pause < deadline else { break }
      try await Task.sleep(for: pause)
      pause *= 2
    }
    throw JobError.unsettled(job.key, why: why)
  }

  /// A job that was given up is tried anew only while the backend still does not have it.
  private func requireAbsent(_ job: Job) async throws(JobError) {
    let found: JobReport?
    do throws(BackendError) { found = try await connector.locate(dated(job), timeout: configuration.settleTime) } catch
    {
      throw .unavailable("an earlier attempt to submit the job is still in doubt: \(error)")
    }
    guard let found, !found.isRefusal else { return }
    noteLate(job, as: found.backendID)
    throw .refused("job \(job.key) was given up, but the backend has it after all: it is \(found.backendID) there")
  }

  /// Nobody is told the id of such a job; administrators are told of it.
  func noteLate(_ job: Job, as id: String) {
    logger.error(
      "\(job.key): given up, but the backend has it after all: no new attempt is made", metadata: ["backend": "\(id)"])
  }
}

extension Job {
  /// A job that is being submitted.
  init(_ submission: JobSpec, fingerprint: String, connector: any Connector, clock: JobClock) {
    self.init(submission, fingerprint: fingerprint, connector: connector, now: clock.date)
    submittedStamp = clock.stamp
  }

  init(
    _ submission: JobSpec, token: String? = nil, fingerprint: String, connector: any Connector, now: Date
  ) {
    self.init(
      id: JobID(rawValue: token == nil ? ULID.next(at: now) : ULID.make(at: now)), name: submission.name,
      number: submission.number,
      owner: submission.owner,
      account: submission.account, connector: connector.name, submissionToken: token ?? ULID.make(at: now),
      fingerprint: fingerprint, lifecycle: .inDoubt(since: nil), contact: Contact(seenAt: now, source: "weir"),
      reason: "sent to the backend", submittedAt: now)
    outputPath = connector.outputPath(of: submission, token: submissionToken)
    priority = submission.priority
    input = submission.input
    if connector.queuesHere {
      resources = ResourceRequest(
        gpus: submission.gpusPerNode, cores: submission.coresPerNode, memory: submission.memoryPerNode)
    }
  }
}

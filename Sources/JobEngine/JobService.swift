import ConnectorAPI
import Foundation
import JobModel
import JobStore
import Logging
import Synchronization

/// What callers may do with jobs: submit, read, cancel, hold, release.
///
/// Reading never waits for the backend: one ``Poller`` asks it about all jobs at once, and readers see what it saw last.
/// Everything else goes to the backend at once, and its effect is visible at once.
///
/// The work is done by one type for each duty; here they are put together.
public final class JobService: Sendable {
  let connector: any Connector
  let ledger: Ledger
  let reconciler: Reconciler
  let resolver: InDoubtResolver
  let poller: Poller
  let followUps: FollowUps
  let retention: RetentionSweeper
  private let polls: PollState
  private let jobs: JobReader
  private let submitter: Submitter
  private let recovery: Recovery
  private let actions: JobActions
  private let outputs: OutputKeeper
  private let resultFiles: ResultFiles
  private let stuck: StuckJobs
  private let running = Mutex<Task<Void, Never>?>(nil)

  package init(
    store: any JobStore, connector: any Connector, configuration: Configuration = .init(), logger: Logger
  ) {
    self.connector = connector
    let clock = configuration.clock
    ledger = Ledger(
      store: store, configuration: configuration, awaitsExitCodes: connector.has(.delayedExitCodes), logger: logger)
    polls = PollState(clock: clock)
    jobs = JobReader(ledger: ledger, polls: polls, configuration: configuration)
    let underWay = SubmissionsUnderWay()
    resolver = InDoubtResolver(
      connector: connector, configuration: configuration, ledger: ledger, polls: polls, underWay: underWay,
      logger: logger)
    recovery = Recovery(
      connector: connector, configuration: configuration, ledger: ledger, jobs: jobs, polls: polls, logger: logger)
    submitter = Submitter(
      connector: connector, configuration: configuration, ledger: ledger, jobs: jobs, polls: polls,
      resolver: resolver, recovery: recovery, underWay: underWay)
    let cancels = CancelRequests(ledger: ledger)
    reconciler = Reconciler(ledger: ledger, cancels: cancels, configuration: configuration, logger: logger)
    poller = Poller(
      connector: connector, configuration: configuration, ledger: ledger, polls: polls, reconciler: reconciler,
      recovery: recovery, resolver: resolver, logger: logger)
    followUps = FollowUps(
      recovery: recovery, resolver: resolver,
      verifier: AbsenceVerifier(
        connector: connector, reconciler: reconciler, configuration: configuration, logger: logger),
      cancels: CancelFollower(connector: connector, ledger: ledger, polls: polls, logger: logger), clock: clock,
      pause: configuration.pollInterval)
    actions = JobActions(connector: connector, ledger: ledger, cancels: cancels, polls: polls, logger: logger)
    outputs = OutputKeeper(connector: connector, configuration: configuration, ledger: ledger, logger: logger)
    resultFiles = ResultFiles(
      connector: connector, outputs: outputs, serviceTime: ledger.serviceTime, keptFor: configuration.keepFiles)
    retention = RetentionSweeper(
      connector: connector, configuration: configuration, ledger: ledger, polls: polls, logger: logger)
    stuck = StuckJobs(cache: ledger.cache, clock: clock, patience: configuration.stuckAfter)
  }

  // MARK: Running

  /// Reads what is known from the store, and begins to poll.
  public func start() async throws {
    try await ledger.load()
    try ledger.store.removeStrayInputs()
    try recovery.begin()
    running.withLock { running in
      guard running == nil else { return }
      running = Task {
        await withDiscardingTaskGroup { group in
          group.addTask { await (self.connector as? any QueueingConnector)?.work(on: self.board) }
          group.addTask { await self.poller.run() }
          group.addTask { await self.followUps.run() }
          group.addTask { await self.retention.run() }
          group.addTask { await self.ledger.examineStore() }
        }
      }
    }
  }

  /// Ends polling. Jobs go on without us.
  public func stop() async {
    let task = running.withLock { $0.take() }
    task?.cancel()
    await task?.value
    await ledger.flush()
  }

  /// The jobs as a connector changes them that finds machines for them itself.
  var board: LedgerBoard { LedgerBoard(ledger: ledger, reconciler: reconciler) }

  // MARK: Health

  /// Why the backend cannot be used right now; nil when it answered the last poll in full.
  public var trouble: String? { polls.failure ?? connector.outage }

  /// What keeps single users from it, a sentence each.
  public var warnings: [String] {
    let trouble = trouble
    return connector.warnings.filter { $0 != trouble } + retention.warnings + ledger.store.health.warnings
      + stuck.sentences
  }

  /// Why nothing new can be written to the store; nil when it can.
  public var storeTrouble: String? { ledger.cache.read { $0.storeIssue } }

  /// How many jobs that are not over are in each state.
  public var census: [String: Int] { jobs.countsByState }

  // MARK: Submitting

  /// What a submit answers, the first time and every time after.
  public struct Receipt: Sendable, Equatable {
    public let backendID: String
    /// The script as it was sent, secrets masked.
    public let shownScript: String
  }

  /// Checks a submission and renders its script, secrets masked, without asking the backend.
  public func preview(_ submission: JobSpec) throws(JobError) -> String { try submitter.preview(submission) }

  /// Runs a job, once, however often the same submission arrives.
  /// - Parameter idempotencyKey: what the caller marked it with; the same key with other content is refused.
  public func submit(
    _ submission: JobSpec, actor: String, idempotencyKey: IdempotencyKey? = nil
  ) async throws -> Receipt {
    try await submitter.submit(submission, actor: actor, idempotencyKey: idempotencyKey)
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
    try await submitter.submit(submission, actor: actor, idempotencyKey: idempotencyKey, input: chunks)
  }

  // MARK: Reading

  /// The job of that name and number if it is living or ended recently; answers at once.
  public func recent(_ key: JobKey) -> Job? { jobs.recent(key) }

  /// The job of that name and number, however old.
  public func find(_ key: JobKey) async throws(JobError) -> Job? { try await jobs.find(key) }

  /// The job of that name and number, however old; of several that had the name one after the other that with this id of
  /// the backend.
  /// - Parameter recovers: whether the backend is asked, when the store does not know it, for one of that id with a mark of
  ///   ours.
  public func find(_ key: JobKey, backendID: String, recovers: Bool) async throws(JobError) -> Job? {
    recovers ? try await recovery.find(key, backendID: backendID) : try await jobs.find(key, backendID: backendID)
  }

  /// A living job as the lists show it.
  public struct Listed: Sendable, Equatable {
    public let name: String
    public let id: String
  }

  /// One of the two lists of living jobs, oldest first, with the generation of the jobs that it shows.
  /// - Parameter owner: whose jobs; nil for everybody's.
  /// - Throws: ``JobError/unavailable(_:)`` when what is known is too old to be served.
  public func list(_ list: JobList, owner: String? = nil) throws(JobError) -> (generation: UInt64, jobs: [Listed]) {
    try jobs.list(list, owner: owner)
  }

  /// Counts changes of the jobs; throws when what is known is too old to be served.
  public func generation() throws(JobError) -> UInt64 { try jobs.generation() }

  /// A job as readers are to see it now: with its last state, or as unknown while nobody can tell.
  public func view(of job: Job) -> JobView { jobs.view(of: job) }

  /// Seconds that a job has run, without time in which nobody saw it run.
  public func elapsed(of job: Job) -> Int { jobs.elapsed(of: job) }

  /// Each change of a job from now on.
  package var bus: EventBus { ledger.bus }

  // MARK: Acting on jobs

  /// Ends a job; of one that is over already there is nothing to end.
  public func cancel(_ job: Job, actor: String) async throws(JobError) { try await actions.cancel(job, actor: actor) }

  /// Lets a held job run.
  public func release(_ job: Job, actor: String) async throws(JobError) { try await actions.release(job, actor: actor) }

  /// Keeps a job that waits from starting until it is released.
  public func hold(_ job: Job, actor: String) async throws(JobError) { try await actions.hold(job, actor: actor) }

  /// Stops a running job's processes where they are; seen as `suspended` once they are.
  public func suspend(_ job: Job) async throws(JobError) { try await actions.suspend(job) }

  /// Lets a suspended job's processes go on.
  public func resume(_ job: Job) async throws(JobError) { try await actions.resume(job) }

  /// Sends a signal, by its name without SIG, to all processes of a running job.
  public func signal(_ job: Job, _ signal: String) async throws(JobError) { try await actions.signal(job, signal) }

  /// The backend's own account of a job.
  public func describe(_ job: Job) async throws(JobError) -> String { try await actions.describe(job) }

  /// What lies in a directory of the backend; see ``DirectoryListingConnector/list(_:account:roots:)``.
  public func entries(
    of path: String, account: String?, roots: [String]
  ) async throws(JobError) -> [DirectoryEntry] {
    do { return try await connector.listing(path).list(path, account: account, roots: roots) } catch {
      throw JobError(error)
    }
  }

  /// Where an interactive job is reached, once it is.
  public func url(of job: Job) -> String? { (connector as? any InteractiveConnector)?.url(of: job) }

  // MARK: Output and files

  /// The output of a job that is over: read from the backend once, the same bytes until ``Configuration/keepOutput``
  /// after it was first asked for, and then no more.
  public func finalOutput(_ job: Job) async throws(JobError) -> [UInt8] { try await outputs.finalOutput(job) }

  /// The same as ``finalOutput(_:)``, read from the kept copy bit by bit once there is one.
  public func finalOutputSource(of job: Job) async throws(JobError) -> OutputSource {
    try await outputs.finalOutputSource(of: job)
  }

  /// The kept copy of output that was answered before; nil when there is none.
  public func answeredOutputSource(of job: Job) async throws(JobError) -> OutputSource? {
    try await outputs.answeredOutputSource(of: job)
  }

  /// How a job ended, as it was answered the first time: what the upstream has acted on does not change, even where it
  /// was wrong. Nil when that is how the job ended.
  public func toldEnd(of job: Job) async throws(JobError) -> ToldEnd? { try await outputs.toldEnd(of: job) }

  /// The last lines of a job's output, as it is now.
  public func tailSource(of job: Job, lines: Int) async throws(JobError) -> OutputSource {
    try await outputs.tailSource(of: job, lines: lines)
  }

  /// The script of a job as it may be shown; nil when it is not kept, or cannot be read now.
  public func shownScript(of job: Job) async -> String? { await outputs.shownScript(of: job) }

  /// The archive that a job was submitted with, byte by byte.
  /// - Throws: ``JobError/notFound(_:)`` when there was none; ``JobError/expired(_:_:)`` when it is no longer kept.
  public func input(of job: Job) async throws(JobError) -> InputReader { try await outputs.input(of: job) }

  /// Streams files of a job as a tar.gz, also while the job runs. Memory stays constant whatever the size.
  ///
  /// The archive is made by the tar of the machine that the job ran on, and not by ours: what is packed is packed where it
  /// lies, and so crosses the network compressed; links, sparse files and names of any bytes are its daily bread; and it
  /// reads files that are being written to. Its names are `work/...`, `stdout` and `stderr`.
  /// - Parameters:
  ///   - globs: which files; see ``ResultGlob``. None for all.
  ///   - withOutput: whether what the job has printed is in it too.
  ///   - onMatched: gets the number of files, before the first bytes; without any the archive is a valid empty one.
  ///   - onOutput: gets the next bytes. While it takes its time, the machine waits.
  /// - Throws: a ``JobError``, or what a closure has thrown. ``JobError/notStarted(_:_:)`` of a job that waits.
  public func results(
    of job: Job, matching globs: [String] = [], withOutput: Bool = false,
    onMatched: @escaping @Sendable (Int) async throws -> Void = { _ in },
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    try await resultFiles.archive(
      of: job, matching: globs, withOutput: withOutput, onMatched: onMatched, onOutput: onOutput)
  }

  /// The same files' paths, sizes and times, some at a time, in no order.
  public func files(
    of job: Job, matching globs: [String] = [], onFiles: @escaping @Sendable ([JobFile]) async throws -> Void
  ) async throws {
    try await resultFiles.list(of: job, matching: globs, onFiles: onFiles)
  }
}

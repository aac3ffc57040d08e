import ConnectorAPI
import JobModel
import Logging
import Support
import Synchronization

/// Finds out what became of submissions whose answer was lost: the backend is asked for the tag that they carry, until it
/// shows the job, or their deadline is over and it has none.
final class InDoubtResolver: Sendable {
  private let connector: any Connector
  private let configuration: JobService.Configuration
  private let ledger: Ledger
  private let polls: PollState
  private let underWay: SubmissionsUnderWay
  private let logger: Logger
  private let retries: Retries
  /// Tokens of jobs that were given up and seen all the same.
  private let late = Mutex<Set<String>>([])

  init(
    connector: any Connector, configuration: JobService.Configuration, ledger: Ledger, polls: PollState,
    underWay: SubmissionsUnderWay, logger: Logger
  ) {
    (self.connector, self.configuration, self.ledger, self.polls) = (connector, configuration, ledger, polls)
    (self.underWay, self.logger) = (underWay, logger)
    retries = Retries(longestPause: .seconds(15), clock: configuration.clock)
  }

  private var clock: JobClock { configuration.clock }

  /// Asks for the jobs in doubt whose turn it is, each as its own account: at once, so that one whose shell hangs holds
  /// up the others as little as can be.
  func resolveDue() async {
    let open = ledger.cache.read { contents in
      contents.jobs.values.filter { $0.state == .submitting && $0.backendID == nil }
    }
    let due = retries.due(open.filter { !underWay.contains($0.key) }, first: configuration.pollInterval, limit: 16)
    await withDiscardingTaskGroup { group in
      for job in due { group.addTask { _ = await self.ask(for: job, timeout: .seconds(10)) } }
    }
  }

  /// Finds out whether a job whose answer was lost has reached the backend, for as long as a caller can wait.
  /// - Returns: the job with the backend's id; nil once its deadline is over and the backend was asked in vain.
  /// - Throws: ``JobError/unsettled(_:why:)`` when it is still in doubt.
  func resolve(_ job: Job, why: String, until latest: ContinuousClock.Instant) async throws -> Job? {
    let deadline = min(latest, clock.now + configuration.resolveTime)
    var pause = Duration.milliseconds(300)
    await ledger.apply(
      .answerLost(reason: "searching the backend for it: \(why)"), to: job, actor: "weir", at: clock.date)
    polls.poke()
    while true {
      // A poll may have found it meanwhile.
      polls.noteAsked()
      if let known = ledger.cache.read({ $0.job(named: job.key) }), known.backendID != nil { return known }
      if let known = await ask(for: job, timeout: deadline - clock.now) {
        polls.poke()
        if known.backendID != nil { return known }
        if known.state.isTerminal { return nil }
      }
      guard clock.now + pause < deadline else { break }
      try await clock.sleep(for: pause)
      pause *= 2
    }
    throw JobError.unsettled(job.key, why: why)
  }

  /// Asks the backend for a job whose answer was lost, and resolves it if that can be known: it is there, or its deadline
  /// is over and it is not.
  /// - Returns: the job as it is then; nil when it is still not known, or another has its name by now.
  func ask(for job: Job, timeout: Duration) async -> Job? {
    Checkpoint.reach("settle.begun")
    // What it answers is true of the moment it was asked; the answer may take its time.
    let asked = clock.now
    let found: JobReport?
    do throws(BackendError) {
      found = try await connector.find(job.dated(by: clock), timeout: timeout)
    } catch {
      logger.debug("\(job.key): still in doubt: \(error)")
      return nil
    }
    Checkpoint.reach("settle.found", if: found != nil)
    let deadline = Duration.seconds(max(configuration.submitDeadline, connector.submitWindow))
    let known = ledger.cache.read { $0.timelines[job.id]?.known }
    guard found != nil || known.map({ asked - $0 > deadline }) ?? false else { return nil }
    guard let found else {
      return await ledger.apply(
        .neverSubmitted(reason: "the backend says that it has no such job"), to: job, actor: "weir", at: clock.date)
    }
    return await ledger.transition(job, actor: "weir") { [clock] job throws(IllegalTransition) in
      if job.state == .submitting { try job.apply(.reported(found), at: clock.date) }
    }
  }

  // MARK: Jobs that were given up

  /// A job that was given up is submitted again only while the backend still does not have it.
  func requireAbsent(_ job: Job) async throws(JobError) {
    let found: JobReport?
    do throws(BackendError) {
      found = try await connector.find(job.dated(by: clock), timeout: configuration.resolveTime)
    } catch {
      throw .unavailable("an earlier attempt to submit the job is still in doubt: \(error)")
    }
    guard let found, !found.isRefusal else { return }
    logLate(job, as: found.backendID)
    throw .refused("job \(job.key) was given up, but the backend has it after all: it is \(found.backendID) there")
  }

  /// Logs jobs that were given up and that a poll shows all the same, each once.
  func noteLate(in snapshot: Snapshot) {
    let givenUp = ledger.cache.read { contents in
      let jobs = contents.jobs.values.filter { $0.state == .failed && $0.backendID == nil }
      return Dictionary(jobs.map { ($0.submissionToken, $0) }, uniquingKeysWith: { $1 })
    }
    guard !givenUp.isEmpty else { return }
    for report in snapshot.reports where !report.isRefusal {
      guard let job = report.mark.flatMap({ givenUp[$0.token] }), report.shows(job) else { continue }
      if late.withLock({ $0.insert(job.submissionToken).inserted }) { logLate(job, as: report.backendID) }
    }
  }

  /// Nobody is told the id of such a job; administrators are told of it.
  private func logLate(_ job: Job, as id: String) {
    logger.error(
      "\(job.key): given up, but the backend has it after all: no new attempt is made", metadata: ["backend": "\(id)"])
  }
}

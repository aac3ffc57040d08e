import ConnectorAPI
import JobModel
import Logging
import Support

/// Asks the backend about all jobs at once, again and again, and hands on what it says.
final class Poller: Sendable {
  private let connector: any Connector
  private let configuration: JobService.Configuration
  private let ledger: Ledger
  private let polls: PollState
  private let reconciler: Reconciler
  private let recovery: Recovery
  private let resolver: InDoubtResolver
  private let logger: Logger

  init(
    connector: any Connector, configuration: JobService.Configuration, ledger: Ledger, polls: PollState,
    reconciler: Reconciler, recovery: Recovery, resolver: InDoubtResolver, logger: Logger
  ) {
    (self.connector, self.configuration, self.ledger, self.polls) = (connector, configuration, ledger, polls)
    (self.reconciler, self.recovery, self.resolver, self.logger) = (reconciler, recovery, resolver, logger)
  }

  private var clock: JobClock { configuration.clock }

  /// Polls until the task is canceled: no oftener than the settings say, five times its own cost apart, soon after
  /// a change, and seldom while nothing lives and nobody asks.
  func run() async {
    var wasComplete = true
    while !Task.isCancelled {
      let began = clock.now
      let complete = await poll()
      // After a failure the first poll may have waited until the backend returned. That time does not count as its cost.
      // Nor may one slow answer put off the next poll until what is known is too old to be served.
      let took = wasComplete ? clock.now - began : .zero
      let cost = min(took, max(.zero, configuration.staleAfter / 2 - took) / 5)
      wasComplete = complete
      let pause = pause(complete: complete, cost: cost)
      let least = max(configuration.earlyPollInterval, complete ? cost * 5 : .zero)
      try? await clock.sleep(for: least)
      await polls.pause(for: pause - least)
    }
  }

  private func pause(complete: Bool, cost: Duration) -> Duration {
    // A failing backend is asked at the plain interval: how long it took to fail says nothing of its load.
    guard complete else { return configuration.pollInterval / 2 }
    let busy = max(configuration.pollInterval, cost * 5)
    // While no job lives nothing can change but by a submit, which ends the pause: the lists are true whatever their
    // age. What is known of the backend's health must not outlive its own time, though.
    guard ledger.cache.read({ $0.counts.living.isEmpty }),
      polls.isIdle(after: configuration.idleAfter)
    else { return busy }
    return max(busy, min(configuration.idlePollInterval, configuration.staleAfter / 2))
  }

  /// One poll. False when the backend did not answer in full.
  func poll() async -> Bool {
    let began = clock.now
    let asked = questions(at: began)
    Checkpoint.reach("observe.begun")
    do throws(BackendError) {
      let snapshot = try await connector.snapshot(of: asked)
      Checkpoint.reach("observe.seen")
      await recovery.recover(from: snapshot)
      resolver.noteLate(in: snapshot)
      // A job whose submit was answered meanwhile was not asked about.
      let fault = await reconciler.apply(
        snapshot, to: Set(asked.map(\.id)), began: began, isUnbroken: polls.status.unbroken)
      Checkpoint.reach("observe.applied")
      if let fault { throw .unavailable(fault) }
      let failure = polls.completed(
        began: began, at: snapshot.time, inFull: snapshot.accountingFailure == nil)
      if let failure { logger.notice("the backend answers again, after: \(failure)") }
    } catch {
      guard !Task.isCancelled else { return false }
      // What the connector tells of itself, it has logged itself.
      if polls.failed(error.description), !connector.warnings.contains(error.description) {
        logger.warning("the poll failed: \(error)")
      }
      return false
    }
    return true
  }

  /// The jobs that a poll asks about: those that live, those whose exit code may still be learnt, and, once a minute,
  /// those that were lost within a day.
  private func questions(at now: ContinuousClock.Instant) -> [Job] {
    let status = polls.status
    let asksForLost = status.mayAskForLost(at: now)
    let accountingSince = status.accountingFailed ?? polls.began
    let asked = ledger.cache.read { contents in
      contents.jobs.values.filter { job in
        guard job.backendID != nil else { return false }
        guard job.state.isTerminal else { return true }
        guard status.mayAskAccounting(at: now), let timeline = contents.timelines[job.id] else { return false }
        if job.isCorrectable { return asksForLost && now - timeline.entered < .seconds(86_400) }
        return timeline.lacksExitCode(job, at: now, accountingSince: accountingSince)
      }
    }
    if asksForLost, asked.contains(where: \.isCorrectable) { polls.askForLost(at: now) }
    return asked
  }
}

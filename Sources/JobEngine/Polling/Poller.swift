import Foundation
import JobModel
import Logging
import Support
import Synchronization

/// How observing goes: when the backend last answered in full, what is wrong now, and whether anybody wants to know.
final class ObserverState: Sendable {
  struct Status: Sendable {
    /// When the last look began that was answered in full.
    var lastComplete: ContinuousClock.Instant?
    /// The same by the calendar.
    var lastCompleteTime: Date?
    var failure: String?
    /// Whether the latest look was answered in full, accounting included.
    var unbroken = false
    /// When accounting last could not be asked.
    var accountingFailed: ContinuousClock.Instant?
    /// When jobs that are lost were last asked about.
    var askedForLost: ContinuousClock.Instant?

    /// Whether accounting may be asked for what can wait: each question that it does not answer holds up a look.
    func mayAskAccounting(at now: ContinuousClock.Instant) -> Bool {
      accountingFailed.map { now - $0 > .seconds(30) } ?? true
    }

    /// Whether jobs that are lost are to be asked about: that can wait longer.
    func mayAskForLost(at now: ContinuousClock.Instant) -> Bool {
      mayAskAccounting(at: now) && askedForLost.map { now - $0 > .seconds(60) } ?? true
    }
  }

  private let state = Mutex(Status())
  /// Before the first look nobody knows since when accounting answers.
  let began: ContinuousClock.Instant

  init(clock: JobClock) { began = clock.now }
  private let interest = Mutex((lastAsked: ContinuousClock.now, isIdle: false))
  let wakeup = Wakeup()

  var status: Status { state.withLock { $0 } }

  /// Asks for an observation soon: something was changed.
  func poke() { wakeup.signal() }

  /// Somebody wants to know: if looking had slowed down since nobody did, it begins anew at once.
  func noteAsked() {
    let wasIdle = interest.withLock { interest in
      defer { interest = (.now, false) }
      return interest.isIdle
    }
    if wasIdle { poke() }
  }

  /// Whether nobody asked for that long; the next who does ends the pause.
  fileprivate func isIdle(after quiet: Duration) -> Bool {
    interest.withLock { interest in
      interest.isIdle = .now - interest.lastAsked > quiet
      return interest.isIdle
    }
  }

  fileprivate func completed(began: ContinuousClock.Instant, at time: Date, inFull: Bool) -> String? {
    state.withLock { status in
      status.lastComplete = began
      status.lastCompleteTime = time
      status.unbroken = inFull
      if !inFull { status.accountingFailed = began }
      return status.failure.take()
    }
  }

  fileprivate func askForLost(at now: ContinuousClock.Instant) { state.withLock { $0.askedForLost = now } }

  /// True when this failure is another than the one before.
  fileprivate func failed(_ reason: String) -> Bool {
    state.withLock { status in
      let new = status.failure != reason
      status.failure = reason
      status.unbroken = false
      return new
    }
  }
}

extension JobService {
  /// Looks at all jobs, again and again: no oftener than the settings say, five times its own cost apart, soon after
  /// a change, and seldom while nothing lives and nobody asks.
  func observe() async {
    var wasComplete = true
    while !Task.isCancelled {
      let began = ContinuousClock.now
      let complete = await observeOnce()
      // After a failure the first look may have waited for the backend's return, which is no cost of its own.
      // Nor may one slow answer put off the next look until what is known is too old to be served.
      let took = wasComplete ? ContinuousClock.now - began : .zero
      let cost = min(took, max(.zero, configuration.staleAfter / 2 - took) / 5)
      wasComplete = complete
      let pause = pause(complete: complete, cost: cost)
      let least = max(configuration.earlyPollInterval, complete ? cost * 5 : .zero)
      try? await Task.sleep(for: least)
      await observer.wakeup.sleep(for: pause - least)
    }
  }

  private func pause(complete: Bool, cost: Duration) -> Duration {
    // A failing backend is asked at the plain interval: how long it took to fail says nothing of its load.
    guard complete else { return configuration.pollInterval / 2 }
    let busy = max(configuration.pollInterval, cost * 5)
    // While no job lives nothing can change but by a submit, which ends the pause: the lists are true whatever their
    // age. What is known of the backend's health must not outlive its own time, though.
    guard ledger.cache.read({ $0.jobs.values.allSatisfy(\.state.isTerminal) }),
      observer.isIdle(after: configuration.idleAfter)
    else { return busy }
    return max(busy, min(configuration.idlePollInterval, configuration.staleAfter / 2))
  }

  /// One look at all jobs. False when the backend did not answer in full.
  func observeOnce() async -> Bool {
    let began = configuration.clock.now
    let asked = questions(at: began)
    Checkpoint.reach("observe.begun")
    do throws(BackendError) {
      let observation = try await connector.observe(asked)
      Checkpoint.reach("observe.seen")
      await adopt(from: observation)
      noteLate(in: observation)
      // A job whose submit was answered meanwhile was not asked about.
      let fault = await ledger.apply(
        observation, to: Set(asked.map(\.id)), began: began, isUnbroken: observer.status.unbroken)
      Checkpoint.reach("observe.applied")
      if let fault { throw .unavailable(fault) }
      let failure = observer.completed(
        began: began, at: observation.time, inFull: observation.accountingFailure == nil)
      if let failure { logger.notice("the backend answers again, after: \(failure)") }
    } catch {
      guard !Task.isCancelled else { return false }
      // What the connector tells of itself, it has logged itself.
      if observer.failed(error.description), !connector.troubles.contains(error.description) {
        logger.warning("the poll failed: \(error)")
      }
      return false
    }
    return true
  }

  /// The jobs that a look asks about: those that live, those whose exit code may still be learnt, and, once a minute,
  /// those that were lost within a day.
  private func questions(at now: ContinuousClock.Instant) -> [Job] {
    let status = observer.status
    let asksForLost = status.mayAskForLost(at: now)
    let accountingSince = status.accountingFailed ?? observer.began
    let asked = ledger.cache.read { contents in
      contents.jobs.values.filter { job in
        guard job.backendID != nil else { return false }
        guard job.state.isTerminal else { return true }
        guard status.mayAskAccounting(at: now), let timeline = contents.timelines[job.id] else { return false }
        if job.isCorrectable { return asksForLost && now - timeline.entered < .seconds(86_400) }
        return timeline.lacksExitCode(job, at: now, accountingSince: accountingSince)
      }
    }
    if asksForLost, asked.contains(where: \.isCorrectable) { observer.askForLost(at: now) }
    return asked
  }
}

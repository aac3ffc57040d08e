import Foundation
import Logging
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
    /// The same by the calendar; before the first look nobody knows since when it could.
    var accountingFailedTime = Date()

    /// Whether accounting may be asked for what can wait: each question that it does not answer holds up a look.
    var mayAskAccounting: Bool { accountingFailed.map { .now - $0 > .seconds(30) } ?? true }
  }

  private let state = Mutex(Status())
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
      if !inFull { (status.accountingFailed, status.accountingFailedTime) = (.now, time) }
      return status.failure.take()
    }
  }

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
    guard ledger.table.read({ $0.jobs.values.allSatisfy(\.state.isTerminal) }),
      observer.isIdle(after: configuration.idleAfter)
    else { return busy }
    return max(busy, min(configuration.idlePollInterval, configuration.staleAfter / 2))
  }

  /// One look at all jobs. False when the backend did not answer in full.
  func observeOnce() async -> Bool {
    let now = Date()
    let status = observer.status
    let asked = ledger.table.read { contents in
      contents.jobs.values.filter { job in
        !job.state.isTerminal
          || status.mayAskAccounting && job.lacksExitCode(at: now, accountingSince: status.accountingFailedTime)
      }
    }
    let began = ContinuousClock.now
    Checkpoint.reach("observe.begun")
    do throws(BackendError) {
      let observation = try await connector.observe(asked.filter { $0.backendID != nil })
      Checkpoint.reach("observe.seen")
      await adopt(from: observation)
      noteLate(in: observation)
      // A job whose submit was answered meanwhile was not asked about.
      await ledger.apply(
        observation, to: Set(asked.filter { $0.backendID != nil }.map(\.key)), lostAfter: configuration.lostAfter,
        unbroken: observer.status.unbroken)
      Checkpoint.reach("observe.applied")
      let failure = observer.completed(
        began: began, at: observation.time, inFull: observation.accountingFailure == nil)
      if let failure { logger.notice("the backend answers again, after: \(failure)") }
    } catch {
      guard !Task.isCancelled else { return false }
      // What the connector tells of itself, it has logged itself.
      if observer.failed(error.description), !connector.troubles.contains(error.description) {
        logger.warning("no observation: \(error)")
      }
      return false
    }
    return true
  }
}

import Foundation
import Logging
import Synchronization

/// How observing goes: when the backend last answered in full, and what is wrong now.
final class ObserverState: Sendable {
  struct Status: Sendable {
    var lastComplete: ContinuousClock.Instant?
    var failure: String?
  }

  private let state = Mutex(Status())
  let wakeup = Wakeup()

  var status: Status { state.withLock { $0 } }

  /// Asks for an observation soon: something was changed.
  func poke() { wakeup.signal() }

  fileprivate func completed(at time: ContinuousClock.Instant) -> String? {
    state.withLock { status in
      status.lastComplete = time
      return status.failure.take()
    }
  }

  /// True when this failure is another than the one before.
  fileprivate func failed(_ reason: String) -> Bool {
    state.withLock { status in
      let new = status.failure != reason
      status.failure = reason
      return new
    }
  }
}

extension JobService {
  /// Looks at all jobs, again and again: no oftener than the settings say, five times its own cost apart, soon after
  /// a change.
  func observe() async {
    var wasComplete = true
    while !Task.isCancelled {
      let began = ContinuousClock.now
      let complete = await observeOnce()
      // After a failure the first look may have waited for the backend's return, which is no cost of its own.
      // Nor may one slow answer put off the next look until what is known is too old to be served.
      let cost = wasComplete ? min(ContinuousClock.now - began, configuration.staleAfter / 10) : .zero
      wasComplete = complete
      // A failing backend is asked at the plain interval: how long it took to fail says nothing of its load.
      let pause = complete ? max(configuration.pollInterval, cost * 5) : configuration.pollInterval / 2
      let least = max(configuration.earlyPollInterval, complete ? cost * 5 : .zero)
      try? await Task.sleep(for: least)
      await observer.wakeup.sleep(for: pause - least)
    }
  }

  /// One look at all jobs. False when the backend did not answer in full.
  func observeOnce() async -> Bool {
    let living = ledger.table.read { $0.jobs.values.filter { !$0.state.isTerminal } }
    let began = ContinuousClock.now
    Checkpoint.reach("observe.begun")
    do throws(BackendError) {
      let observation = try await connector.observe(living.filter { $0.backendID != nil })
      Checkpoint.reach("observe.seen")
      await ledger.apply(observation, to: Set(living.map(\.key)), lostAfter: configuration.lostAfter)
      Checkpoint.reach("observe.applied")
      if let failure = observer.completed(at: began) { logger.notice("the backend answers again, after: \(failure)") }
    } catch {
      guard !Task.isCancelled else { return false }
      // What the connector tells of itself, it has logged itself.
      if observer.failed(error.description), !connector.troubles.contains(error.description) {
        logger.warning("no observation: \(error)")
      }
      return false
    }
    for job in living where job.state == .submitting && job.backendID == nil && !isSubmitting(job.key) {
      _ = await lookFor(job, timeout: .seconds(30))
    }
    return true
  }
}

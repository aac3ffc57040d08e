import Foundation
import JobModel
import Support
import Synchronization

/// How polling goes: when the backend last answered in full, what is wrong now, and whether anybody wants to know.
final class PollState: Sendable {
  struct Status: Sendable {
    /// When the last poll began that was answered in full.
    var lastComplete: ContinuousClock.Instant?
    /// The same by the calendar.
    var lastCompleteTime: Date?
    var failure: String?
    /// Whether the latest poll was answered in full, accounting included.
    var unbroken = false
    /// When accounting last could not be asked.
    var accountingFailed: ContinuousClock.Instant?
    /// When jobs that are lost were last asked about.
    var askedForLost: ContinuousClock.Instant?

    /// Whether accounting may be asked for what can wait: each question that it does not answer holds up a poll.
    func mayAskAccounting(at now: ContinuousClock.Instant) -> Bool {
      accountingFailed.map { now - $0 > .seconds(30) } ?? true
    }

    /// Whether jobs that are lost are to be asked about: that can wait longer.
    func mayAskForLost(at now: ContinuousClock.Instant) -> Bool {
      mayAskAccounting(at: now) && askedForLost.map { now - $0 > .seconds(60) } ?? true
    }
  }

  /// Why nothing is known before the first poll was answered.
  static let firstUnderWay = "the first poll of the backend is under way"

  /// Before the first poll nobody knows since when accounting answers.
  let began: ContinuousClock.Instant
  private let clock: JobClock
  private let state = Mutex(Status())
  private let interest: Mutex<(lastAsked: ContinuousClock.Instant, isIdle: Bool)>
  private let wakeup: Wakeup

  init(clock: JobClock) {
    self.clock = clock
    began = clock.now
    interest = Mutex((began, false))
    wakeup = Wakeup { try await clock.sleep(for: $0) }
  }

  var status: Status { state.withLock { $0 } }

  /// Why the backend cannot be used right now, as far as polls say; nil when it answered the last one in full.
  var failure: String? {
    let status = status
    return status.failure ?? (status.lastComplete == nil ? Self.firstUnderWay : nil)
  }

  // MARK: When to poll

  /// Asks for a poll soon: something was changed.
  func poke() { wakeup.signal() }

  /// Waits until the next poll is due, or somebody asks for it.
  func pause(for duration: Duration) async { await wakeup.sleep(for: duration) }

  /// Somebody wants to know: if polling had slowed down since nobody did, it begins again at once.
  func noteAsked() {
    let wasIdle = interest.withLock { interest in
      defer { interest = (clock.now, false) }
      return interest.isIdle
    }
    if wasIdle { poke() }
  }

  /// Whether nobody asked for that long; the next who does ends the pause.
  func isIdle(after quiet: Duration) -> Bool {
    interest.withLock { interest in
      interest.isIdle = clock.now - interest.lastAsked > quiet
      return interest.isIdle
    }
  }

  // MARK: How polls went

  /// - Returns: what was wrong until now.
  func completed(began: ContinuousClock.Instant, at time: Date, inFull: Bool) -> String? {
    state.withLock { status in
      status.lastComplete = began
      status.lastCompleteTime = time
      status.unbroken = inFull
      if !inFull { status.accountingFailed = began }
      return status.failure.take()
    }
  }

  /// True when this failure is another than the one before.
  func failed(_ reason: String) -> Bool {
    state.withLock { status in
      let new = status.failure != reason
      status.failure = reason
      status.unbroken = false
      return new
    }
  }

  func askForLost(at now: ContinuousClock.Instant) { state.withLock { $0.askedForLost = now } }
}

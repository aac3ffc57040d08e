import Foundation
import JobModel
import Synchronization

/// What is left to be done before a store that was lost is made again as far as the backend can tell.
final class RecoveryProgress: Sendable {
  private struct State {
    var isRecovering = false
    /// Since when the records of ended jobs are still to be searched: nobody knows whether the store was lost, or is an
    /// older copy.
    var unsearchedSince: Date?
    /// Why they could not be, the last time.
    var failure: String?
    var began: ContinuousClock.Instant
    var isPolled = false
    /// Ids and tokens of the last poll that are not to be recovered.
    var strangers: Set<String> = []
    /// Jobs that were asked for in vain, and when, so that asking again and again costs the backend nothing.
    var unknown: [String: ContinuousClock.Instant] = [:]
  }

  /// How long an answer that there is no such job counts.
  private static let unknownFor = Duration.seconds(60)
  /// How many such jobs are asked for within that time.
  private static let mostUnknown = 100

  private let clock: JobClock
  private let state: Mutex<State>

  init(clock: JobClock) {
    self.clock = clock
    state = Mutex(State(began: clock.now))
  }

  /// From when on the store may lack jobs: three hours before the last that it knows, since the calendars of the cluster
  /// and of this machine may differ, and be set.
  static func begin(now: Date, lastSubmit: Date?, interval: TimeInterval) -> Date {
    let earliest = now - interval
    return lastSubmit.map { max(min($0, now) - 10_800, earliest) } ?? earliest
  }

  /// - Parameter since: from when on the store may lack jobs; nil where none are recovered.
  func begin(since: Date?) {
    state.withLock { $0 = State(isRecovering: since != nil, unsearchedSince: since, began: clock.now) }
  }

  var unsearchedSince: Date? { state.withLock { $0.unsearchedSince } }
  var failure: String? { state.withLock { $0.failure } }

  /// What a submit waits for, since the job might be there already without the store knowing: until the queue was seen, and
  /// the records were searched or could not be for that long. Nil when it waits for nothing.
  func awaited(patience: Duration) -> String? {
    state.withLock { state in
      guard state.isRecovering else { return nil }
      if !state.isPolled { return PollState.firstUnderWay }
      guard state.unsearchedSince != nil, clock.now - state.began < patience else { return nil }
      return "the records of ended jobs are being searched for jobs that the store may lack"
    }
  }

  func searchedRecords() { state.withLock { ($0.unsearchedSince, $0.failure) = (nil, nil) } }

  /// True when this failure is another than the one before.
  func failedToSearch(_ reason: String) -> Bool {
    state.withLock { state in
      defer { state.failure = reason }
      return state.failure != reason
    }
  }

  // MARK: Jobs that are not ours

  var strangers: Set<String> { state.withLock { $0.strangers } }

  func polled(strangers: Set<String>) {
    state.withLock {
      $0.isPolled = true
      $0.strangers = strangers
    }
  }

  /// Whether the backend is to be asked for a job that the store does not know: not when it just said no, and for few
  /// in a minute, whoever asks.
  func mayAsk(for job: String) -> Bool {
    state.withLock { state in
      let now = clock.now
      if state.unknown.count >= Self.mostUnknown {
        state.unknown = state.unknown.filter { now - $0.value < Self.unknownFor }
      }
      guard state.unknown.count < Self.mostUnknown else { return false }
      if let asked = state.unknown[job], now - asked < Self.unknownFor { return false }
      state.unknown[job] = now
      return true
    }
  }

  func failedToAsk(for job: String) { state.withLock { $0.unknown[job] = nil } }
}

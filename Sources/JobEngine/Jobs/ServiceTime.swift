import Foundation
import JobModel
import Support
import Synchronization

/// The calendar by which output is kept: it counts the time for which Weir was running, so that neither a step of the
/// machine's calendar nor a time in which nobody could ask takes anything away early.
///
/// It begins with the machine's calendar, goes on with the monotonic clock, and is stored every minute or oftener.
final class ServiceTime: Sendable {
  private let clock: JobClock
  private let state: Mutex<(date: Date, at: ContinuousClock.Instant)>

  init(clock: JobClock) {
    self.clock = clock
    state = Mutex((clock.date, clock.now))
  }

  /// Goes on from what was stored.
  func resume(from date: Date) { state.withLock { $0 = (date, clock.now) } }

  var now: Date { state.withLock { $0.date + (clock.now - $0.at).inSeconds } }
}

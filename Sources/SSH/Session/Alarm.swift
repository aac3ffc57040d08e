import Dispatch
import Support

/// One alarm for all who wait on a queue: it rings for the earliest of them, everybody looks at the clock, and who
/// still waits asks for it again. Confined to its queue.
final class Alarm {
  private let timer: any DispatchSourceTimer
  private var time: ContinuousClock.Instant?

  init(queue: DispatchQueue) { timer = DispatchSource.makeTimerSource(queue: queue) }

  deinit { timer.cancel() }

  func activate(_ handler: @escaping @Sendable () -> Void) {
    timer.setEventHandler(handler: handler)
    timer.activate()
  }

  /// To be called when it rang.
  func reset() { time = nil }

  /// Rings then, if not before.
  func ring(by deadline: ContinuousClock.Instant) {
    if let time, time <= deadline { return }
    time = deadline
    // A millisecond late rather than early, or who waits would wait again.
    let wait = Int(clamping: (deadline - .now).milliseconds) + 1
    timer.schedule(deadline: .now() + .milliseconds(wait), leeway: .milliseconds(1))
  }
}

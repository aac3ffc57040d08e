import Foundation

/// The two clocks that the engine reads, and how it waits.
///
/// The calendar is for people, and for backends that are asked "since when". An administrator or NTP may step it at any
/// moment, so that no interval that decides something is measured by it: those are measured by the monotonic clock,
/// which counts while the machine sleeps and which nobody sets.
public struct JobClock: Sendable {
  private let readDate: @Sendable () -> Date
  private let readInstant: @Sendable () -> ContinuousClock.Instant
  private let wait: @Sendable (Duration) async throws -> Void
  /// Which start of the machine the monotonic clock counts from; nil where that is not known.
  package let boot: String?

  /// - Parameter sleep: waits for a time of the monotonic clock, and throws when the task is canceled.
  public init(
    boot: String? = nil, date: @escaping @Sendable () -> Date,
    instant: @escaping @Sendable () -> ContinuousClock.Instant,
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) {
    self.boot = boot
    readDate = date
    readInstant = instant
    wait = sleep
  }

  /// The time of the calendar, which may be stepped.
  package var date: Date { readDate() }
  /// The monotonic time.
  package var now: ContinuousClock.Instant { readInstant() }

  /// Waits; returns early by throwing when the task is canceled.
  package func sleep(for duration: Duration) async throws { try await wait(duration) }

  /// The machine's own clocks.
  public static let system = JobClock(
    boot: try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines),
    date: { Date() }, instant: { ContinuousClock.now })

  /// This moment, in a form that can be stored.
  package var stamp: Stamp? { boot.map { Stamp(boot: $0, instant: now) } }

  /// How long ago a stored moment was; nil when the machine was started since, for then nobody knows.
  package func age(of stamp: Stamp?) -> Duration? {
    guard let stamp, stamp.boot == boot, stamp.instant <= now else { return nil }
    return now - stamp.instant
  }
}

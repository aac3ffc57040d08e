/// How much each network is slowed that sends wrong credentials: a token bucket for each, in a table of bounded size.
///
/// Times are durations since whatever moment the caller counts from.
struct Throttle: Sendable {
  /// Failures that are answered at once, when there were none before.
  static let burst = 10.0
  /// Failures a second that are forgiven.
  static let rate = 1.0
  /// Each failure beyond that waits so much longer, up to ``longestDelay``.
  static let step = Duration.milliseconds(200)
  static let longestDelay = Duration.seconds(2)

  private struct Bucket {
    /// What is left of the burst; below zero, the failures too many.
    var level: Double
    var time: Duration

    func refilled(at now: Duration) -> Double {
      min(Throttle.burst, level + max(0, (now - time) / .seconds(1)) * Throttle.rate)
    }
  }

  /// Two generations: when the young one has half the capacity it becomes the old one, and the old one, with those
  /// networks that failed longest ago, is dropped.
  private var young: [Network: Bucket] = [:]
  private var old: [Network: Bucket] = [:]
  private let half: Int

  /// - Parameter capacity: how many networks are remembered at most.
  init(capacity: Int = 4096) {
    half = max(1, capacity / 2)
  }

  /// How many networks are remembered.
  var count: Int { young.count + old.count }

  /// Whether a failure would have to wait.
  func isSlowing(_ network: Network, at now: Duration) -> Bool {
    (young[network] ?? old[network]).map { $0.refilled(at: now) < 1 } ?? false
  }

  /// Counts a failure.
  /// - Returns: how long its answer has to wait.
  mutating func failure(from network: Network, at now: Duration) -> Duration {
    var bucket = young[network] ?? old.removeValue(forKey: network) ?? Bucket(level: Self.burst, time: now)
    // The floor keeps a network from being slowed for long after its last failure.
    let floor = -(Self.longestDelay / Self.step)
    bucket = Bucket(level: max(floor, bucket.refilled(at: now) - 1), time: now)
    if young.count >= half, young[network] == nil {
      old = young
      young.removeAll(keepingCapacity: true)
    }
    young[network] = bucket
    return bucket.level < 0 ? min(Self.longestDelay, Self.step * -bucket.level) : .zero
  }
}

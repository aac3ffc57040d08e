/// A moment of the monotonic clock that survives a restart of the program, though not of the machine.
public struct Stamp: Sendable, Codable, Equatable {
  /// Which start of the machine it counts from.
  public let boot: String
  public let instant: ContinuousClock.Instant

  public init(boot: String, instant: ContinuousClock.Instant) {
    self.boot = boot
    self.instant = instant
  }
}

extension ContinuousClock.Instant {
  /// This long from now; what is negative is now, what is beyond sixty years is sixty years.
  package static func after(_ timeout: Duration) -> Self {
    ContinuousClock.now + min(max(timeout, .zero), .seconds(60 * 366 * 86400))
  }
}

extension Duration {
  /// Whole milliseconds, of at most some hundred million years.
  package var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    return min(max(seconds, -1 << 52), 1 << 52) * 1000 + attoseconds / 1_000_000_000_000_000
  }

  /// Seconds, for arithmetic that need not be exact.
  package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// A moment on the monotonic clock, or a duration.
typealias Nanoseconds = UInt64

extension Nanoseconds {
  /// A duration; a negative one is 0, one of centuries as long as the clock goes.
  init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let (whole, overflow) = UInt64(Swift.max(0, seconds)).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflow2) = whole.addingReportingOverflow(UInt64(Swift.max(0, attoseconds)) / 1_000_000_000)
    self = overflow || overflow2 ? .max : sum
  }

  /// The moment so long from now, never past the end of the clock.
  static func deadline(in duration: Nanoseconds) -> Nanoseconds { EventLoop.now.advanced(by: duration) }

  /// The moment so long after this, never past the end of the clock.
  func advanced(by duration: Nanoseconds) -> Nanoseconds {
    let (moment, overflow) = addingReportingOverflow(duration)
    return overflow ? .max : moment
  }
}

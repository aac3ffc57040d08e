import Foundation

/// Reads the numbers and times that a machine reports, within bounds: no text that a machine, or a job on it, can write
/// overflows a sum or names a time that cannot be stored.
public enum MachineNumber {
  /// Upper bound of a count (processes, cores, megabytes, seconds of run time): 2^31.
  public static let largestCount = 1 << 31

  /// Last second of the year 9999, in seconds since 1970: later times have no form in RFC 3339.
  public static let lastSecond = 253_402_300_799

  /// A count in decimal digits and nothing else.
  /// - Returns: nil for any other text, and for more than `bound`.
  public static func count(_ text: some StringProtocol, upTo bound: Int = largestCount) -> Int? {
    let digits = text.utf8
    guard !digits.isEmpty, digits.count <= 19, digits.allSatisfy({ (48...57).contains($0) }), let number = Int(text),
      number <= bound
    else { return nil }
    return number
  }

  /// A time that has passed, from digits of seconds since 1970. One day ahead of `now` is accepted, since clocks differ.
  /// - Returns: nil for any other text, for 0, and for later times.
  public static func pastTime(_ text: some StringProtocol, now: Date = Date()) -> Date? {
    guard let seconds = count(text, upTo: lastSecond), seconds > 0,
      TimeInterval(seconds) <= now.timeIntervalSince1970 + 86_400
    else { return nil }
    return Date(timeIntervalSince1970: TimeInterval(seconds))
  }

  /// A time that may lie ahead (an expected start, an end by the time limit), from digits of seconds since 1970.
  /// - Returns: nil for any other text, for 0, and for times after the year 9999.
  public static func time(_ text: some StringProtocol) -> Date? {
    guard let seconds = count(text, upTo: lastSecond), seconds > 0 else { return nil }
    return Date(timeIntervalSince1970: TimeInterval(seconds))
  }
}

extension Sequence<Int> {
  /// The sum, at most `bound`; the numbers must not be negative.
  public func boundedSum(upTo bound: Int = MachineNumber.largestCount) -> Int {
    reduce(0) { sum, number in
      let (next, overflow) = sum.addingReportingOverflow(number)
      return overflow ? bound : Swift.min(next, bound)
    }
  }
}

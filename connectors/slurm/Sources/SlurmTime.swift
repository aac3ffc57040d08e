import ConnectorSupport
import Foundation

/// Slurm's ways of writing time.
enum SlurmTime {
  /// Seconds of an elapsed time, `[days-][hours:]minutes:seconds`; nil for anything else (`INVALID`, `UNLIMITED`), and for
  /// more than 68 years.
  static func seconds(_ text: some StringProtocol) -> Int? {
    let parts = Substring(text).utf8.split(separator: UInt8(ascii: "-"), maxSplits: 1, omittingEmptySubsequences: false)
    guard let clock = parts.last else { return nil }
    var days = 0
    if parts.count == 2 {
      guard let number = number(parts[0]) else { return nil }
      days = number
    }
    let fields = clock.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map { number($0) }
    guard (2...3).contains(fields.count), !fields.contains(nil) else { return nil }
    let seconds = fields.reduce(0) { $0 * 60 + ($1 ?? 0) } + days * 86_400
    return seconds <= MachineNumber.largestCount ? seconds : nil
  }

  /// A moment that has passed, from seconds since 1970 as `SLURM_TIME_FORMAT=%s` prints them; nil for `N/A`, `Unknown`,
  /// `None`, and for what no clock shows.
  static func past(_ text: some StringProtocol) -> Date? { MachineNumber.pastTime(text) }

  private static func number(_ digits: Substring.UTF8View) -> Int? {
    guard !digits.isEmpty, digits.count <= 9, digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1 - 48) }
  }
}

enum SlurmClock {
  /// A moment as Slurm's options take it.
  static func utc(_ seconds: Int) -> String {
    let style = Date.ISO8601FormatStyle(timeZone: .gmt).year().month().day().time(includingFractionalSeconds: false)
    return Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(style)
  }
}

import ConnectorSupport

/// Reads what watch.sh prints, as it comes. Each byte is looked at once, and no line is kept that is longer than a notice:
/// a server that sends one without end costs neither memory nor time.
struct EndNotices {
  /// More than `ID ATTEMPT` ever is.
  private static let longest = 48

  private var line: [UInt8] = []
  private var isTooLong = false
  private var isFirst = true

  /// - Returns: whether the watch began with these bytes, and the attempts that are said to have ended.
  mutating func read(_ bytes: [UInt8]) -> (isReady: Bool, ended: Set<AttemptID>) {
    var isReady = false
    var ended: Set<AttemptID> = []
    for byte in bytes {
      if byte != UInt8(ascii: "\n") {
        if line.count < Self.longest { line.append(byte) } else { isTooLong = true }
        continue
      }
      if !isTooLong {
        // Once: a server that says it again and again has nothing new to say.
        if isFirst, line == Array("ready".utf8) { isReady = true }
        if let attempt = attempt { ended.insert(attempt) }
      }
      (isFirst, isTooLong) = (false, false)
      line.removeAll(keepingCapacity: true)
    }
    return (isReady, ended)
  }

  /// `ID ATTEMPT`
  private var attempt: AttemptID? {
    let words = String(decoding: line, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 2, JobToken.isOne(words[0]), let number = MachineNumber.count(words[1]), number > 0 else {
      return nil
    }
    return AttemptID(job: String(words[0]), number: number)
  }
}

/// The least pause between two looks at a server. Anything that runs there can say that jobs have ended; the more often
/// that is not so, the longer the pause, up to that of looks which nobody asked for.
struct LookPause {
  private static let least = Duration.milliseconds(20)

  private let most: Duration
  private var vain = 0

  init(upTo most: Duration) { self.most = most }

  /// - Parameters:
  ///   - cost: how long the last look took.
  ///   - isVain: whether jobs were said to have ended and none had.
  mutating func next(cost: Duration, isVain: Bool) -> Duration {
    vain = isVain ? vain + 1 : 0
    // A start that is answered late, or an end that is written a moment after it is told, is no reason to wait long.
    return min(max(most, cost), max(Self.least, cost) * (1 << min(10, max(0, vain - 2))))
  }
}

/// The pause between two sweeps of all jobs of a server.
enum SweepPause {
  /// Each sweep renews the owner record, which others take over once it is unchanged for a minute.
  static let most = Duration.seconds(20)

  /// - Parameters:
  ///   - cost: how long the last sweep took. It takes at most a fifth of the time, as far as ``most`` allows.
  ///   - interval: the least pause.
  static func after(cost: Duration, interval: Duration) -> Duration { min(max(interval, cost * 5), most) }
}

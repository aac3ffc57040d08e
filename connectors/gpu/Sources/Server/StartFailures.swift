/// How often a server has failed to start jobs, by which it is given none for a while.
struct StartFailures {
  /// After how many failures in a row.
  private let most: Int
  /// For how long the first time; twice as long each time, and at most an hour.
  private let first: Duration
  private var inRow = 0
  private var quarantines = 0

  init(most: Int, quarantine first: Duration) {
    self.most = most
    self.first = first
  }

  /// Notes that a job was started.
  mutating func end() { (inRow, quarantines) = (0, 0) }

  /// Notes that a job was not.
  /// - Returns: whether the server is to be given none for a while.
  mutating func add() -> Bool {
    inRow += 1
    return inRow >= most
  }

  /// - Returns: for how long the server is given no jobs now.
  mutating func quarantine() -> Duration {
    // The first job after it is the last one, if it fails again.
    inRow = most - 1
    let pause = min(Duration.seconds(3600), first * (1 << min(quarantines, 6)))
    quarantines += 1
    return pause
  }
}

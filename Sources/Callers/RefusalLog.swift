/// Which refusals get a line of their own in the log: some a minute for each network, and some for all of them. The
/// others of that minute are summed up at its end.
struct RefusalLog: Sendable {
  static let minute = Duration.seconds(60)
  /// Lines of one network in a minute.
  static let linesOfNetwork = 5
  /// Lines of all networks in a minute.
  static let lines = 100
  /// Networks counted in a minute; more are only counted together.
  static let maximumNetworks = 4096

  /// The refusals of a minute that got no line.
  struct Summary: Sendable, Equatable {
    var refusals = 0
    /// Those with the most refusals, lines included.
    var busiest: [String] = []
  }

  private var isOpen = false
  private var total = 0
  private var logged = 0
  private var counts: [Network: Int] = [:]

  /// How many networks are counted.
  var networks: Int { counts.count }

  /// Counts a refusal.
  /// - Returns: whether it gets a line, and whether a minute begins with it, at whose end ``close()`` is due.
  mutating func refusal(of network: Network) -> (isLogged: Bool, beginsMinute: Bool) {
    defer { isOpen = true }
    total += 1
    if counts[network] != nil || counts.count < Self.maximumNetworks { counts[network, default: 0] += 1 }
    let isLogged = logged < Self.lines && (counts[network] ?? .max) <= Self.linesOfNetwork
    if isLogged { logged += 1 }
    return (isLogged, !isOpen)
  }

  /// Ends the minute.
  /// - Returns: what was not logged; nil when all of it was.
  mutating func close() -> Summary? {
    defer { self = RefusalLog() }
    guard total > logged else { return nil }
    let busiest = counts.sorted { $0.value > $1.value }.prefix(5).map { "\($0.key) (\($0.value))" }
    return Summary(refusals: total - logged, busiest: busiest)
  }
}

/// When each descriptor has to be checked: a ring of slots, one for each tick of the clock.
///
/// A deadline that moves away, as every request moves its connection's, costs nothing: the descriptor is met at its old
/// time, and put where it belongs by then. So is one that lies beyond the ring.
struct TimerWheel {
  /// A tick is 2^24 ns, 17 ms: deadlines are kept this precisely.
  private static let tickBits: Nanoseconds = 24
  private static let slots: UInt64 = 1024

  private var lists = IndexLists(count: Int(slots))
  /// By descriptor, the tick in whose slot it is; `.max` for none.
  private var due: [UInt64] = []
  private var count = 0
  /// The tick that was checked last.
  private var current: UInt64 = 0

  /// When the first slot with something in it is due; `.max` when all are empty.
  var next: Nanoseconds {
    guard count > 0 else { return .max }
    let tick = (current &+ 1..<current &+ Self.slots).first { lists.first(of: Self.slot($0)) != nil }
    return tick.map { $0 << Self.tickBits } ?? .max
  }

  /// Has `index` come up at `deadline`, or before.
  /// - Returns: when it will, if that is sooner than it was; else nil.
  mutating func schedule(_ index: Int, by deadline: Nanoseconds) -> Nanoseconds? {
    // Rounded up: a timer fires after its deadline.
    let wanted = (deadline >> Self.tickBits) &+ 1
    if deadline == .max || (index < due.count && due[index] <= wanted) { return nil }
    if count == 0 { current = max(current, EventLoop.now >> Self.tickBits) }
    let tick = min(max(wanted, current &+ 1), current &+ Self.slots &- 1)
    while due.count <= index { due.append(.max) }
    guard tick < due[index] else { return nil }
    if due[index] == .max { count += 1 }
    due[index] = tick
    lists.append(index, to: Self.slot(tick))
    return tick << Self.tickBits
  }

  mutating func remove(_ index: Int) {
    guard index < due.count, due[index] != .max else { return }
    due[index] = .max
    count -= 1
    lists.remove(index)
  }

  /// Takes out one whose time has come; nil when there is none by `now`.
  mutating func popDue(by now: Nanoseconds) -> Int? {
    let last = now >> Self.tickBits
    while count > 0, current <= last {
      if let index = lists.first(of: Self.slot(current)) {
        remove(index)
        return index
      }
      guard current < last else { return nil }
      current += 1
    }
    return nil
  }

  private static func slot(_ tick: UInt64) -> Int { Int(tick % slots) }
}

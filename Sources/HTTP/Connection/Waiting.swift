import Synchronization

/// What a connection waits for that its client has to do. In this order they go when there are too many connections.
enum Waiting: Int, CaseIterable, Sendable {
  /// For its client to close: the last answer is sent.
  case lingering
  /// For the rest of a request's head.
  case unfinishedHead
  /// For the next request, or the first, of somebody who was not admitted yet.
  case idleStranger
  /// For the next request.
  case idle
  /// For the rest of a body, or for its client to take an answer; known clients stay.
  case stalled
}

/// Who waits for what, those of a kind in the order in which they began to. Confined to a loop.
struct WaitingLists {
  private var lists = IndexLists(count: Waiting.allCases.count)
  /// By descriptor.
  private var kinds: [Waiting?] = []
  private var since: [Nanoseconds] = []

  func first(_ kind: Waiting) -> Int? { lists.first(of: kind.rawValue) }
  func next(after index: Int) -> Int? { lists.next(after: index) }
  func kind(of index: Int) -> Waiting? { index < kinds.count ? kinds[index] : nil }

  /// Since when the first of a kind waits; `.max` when none does.
  func oldest(_ kind: Waiting) -> Nanoseconds { first(kind).map { since[$0] } ?? .max }

  /// - Returns: whether anything changed. An idle one begins to wait again each time: it has had a request meanwhile.
  mutating func mark(_ index: Int, as kind: Waiting?) -> Bool {
    guard let kind else {
      guard self.kind(of: index) != nil else { return false }
      lists.remove(index)
      kinds[index] = nil
      return true
    }
    while kinds.count <= index {
      kinds.append(nil)
      since.append(.max)
    }
    if kinds[index] == kind, kind != .idle, kind != .idleStranger { return false }
    kinds[index] = kind
    since[index] = EventLoop.now
    lists.append(index, to: kind.rawValue)
    return true
  }
}

/// Since when the first of each kind waits, for other loops to read.
final class OldestWaiting: Sendable {
  private let lingering = Atomic<Nanoseconds>(.max)
  private let unfinishedHead = Atomic<Nanoseconds>(.max)
  private let idleStranger = Atomic<Nanoseconds>(.max)
  private let idle = Atomic<Nanoseconds>(.max)
  private let stalled = Atomic<Nanoseconds>(.max)

  func value(_ kind: Waiting) -> Nanoseconds {
    switch kind {
    case .lingering: lingering.load(ordering: .relaxed)
    case .unfinishedHead: unfinishedHead.load(ordering: .relaxed)
    case .idleStranger: idleStranger.load(ordering: .relaxed)
    case .idle: idle.load(ordering: .relaxed)
    case .stalled: stalled.load(ordering: .relaxed)
    }
  }

  func publish(_ lists: borrowing WaitingLists) {
    lingering.store(lists.oldest(.lingering), ordering: .relaxed)
    unfinishedHead.store(lists.oldest(.unfinishedHead), ordering: .relaxed)
    idleStranger.store(lists.oldest(.idleStranger), ordering: .relaxed)
    idle.store(lists.oldest(.idle), ordering: .relaxed)
    stalled.store(lists.oldest(.stalled), ordering: .relaxed)
  }
}

import Dispatch
import Synchronization

/// Checks signatures one after another, so that a flood of bad tokens takes one core at most.
///
/// Those that a flood is made of come last: tokens of senders who failed often lately, and of these the ones that several
/// keys have to be tried for. So they keep the others neither waiting nor out.
final class SignatureQueue: Sendable {
  /// How many tokens of a kind wait at most; the last of them waits for some 400 ms if each has one key.
  static let maximumWaiting = 1000

  private enum Kind: Int, CaseIterable { case unsuspected, suspected, suspectedAndCostly }

  private struct State {
    /// For each kind those that wait, the first to come last.
    var waiting = [[@Sendable () -> Void]](repeating: [], count: Kind.allCases.count)
    var isWorking = false

    mutating func next() -> (@Sendable () -> Void)? {
      guard let kind = waiting.firstIndex(where: { !$0.isEmpty }) else { return nil }
      return waiting[kind].popLast()
    }
  }

  private let state = Mutex(State())
  let queue = DispatchQueue(label: "weir.tokens")

  /// How many wait.
  var waitingCount: Int { state.withLock { state in state.waiting.reduce(0) { $0 + $1.count } } }

  /// Whether a token is signed with one of these keys.
  /// - Throws: ``TokenError/busy`` if too many of its kind wait already.
  func isSigned(
    _ token: String, with keys: [VerificationKey], _ algorithm: Algorithm, isSuspect: Bool
  ) async throws(TokenError) -> Bool {
    guard !keys.isEmpty else { return false }
    let kind: Kind = !isSuspect ? .unsuspected : keys.count == 1 ? .suspected : .suspectedAndCostly
    let isGood: Bool? = await withCheckedContinuation { continuation in
      let isTaken = add(kind) {
        continuation.resume(returning: keys.contains { Signature.isGood(token, key: $0, algorithm: algorithm) })
      }
      if !isTaken { continuation.resume(returning: nil) }
    }
    guard let isGood else { throw .busy }
    return isGood
  }

  private func add(_ kind: Kind, _ work: @escaping @Sendable () -> Void) -> Bool {
    let (isTaken, begins) = state.withLock { state in
      guard state.waiting[kind.rawValue].count < Self.maximumWaiting else { return (false, false) }
      state.waiting[kind.rawValue].insert(work, at: 0)
      defer { state.isWorking = true }
      return (true, !state.isWorking)
    }
    if begins { queue.async { self.work() } }
    return isTaken
  }

  private func work() {
    while let next = state.withLock({ state in
      let next = state.next()
      state.isWorking = next != nil
      return next
    }) { next() }
  }
}

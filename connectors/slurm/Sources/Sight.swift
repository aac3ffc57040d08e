import ConnectorAPI
import Synchronization

/// Whether the observing account sees the jobs of the others: by jobs that it does not see and that Slurm shows to their
/// own account.
final class Sight: Sendable {
  /// Between two questions as one account, while it shows nothing that the observing account does not see.
  private static let pause = Duration.seconds(15)
  /// After one that failed.
  private static let longPause = Duration.seconds(60)

  private struct State {
    /// Accounts by the id of the job.
    var hidden: [String: String] = [:]
    /// When an account was asked last, and when it may be asked next.
    var asked: [String: (last: ContinuousClock.Instant, next: ContinuousClock.Instant)] = [:]
  }

  private let state = Mutex(State())

  /// Forgets the jobs that are not among those that are missing any more.
  func keep(_ missing: [String]) {
    state.withLock { state in
      guard !state.hidden.isEmpty else { return }
      let missing = Set(missing)
      state.hidden = state.hidden.filter { missing.contains($0.key) }
    }
  }

  /// The accounts whose jobs are known to be hidden, and the one that is to be asked now: of those whose turn it is, the one
  /// that was not asked for the longest time.
  func turn(among accounts: Set<String>) -> (hidden: Set<String>, account: String?) {
    guard !accounts.isEmpty else { return ([], nil) }
    return state.withLock { state in
      let now = ContinuousClock.now
      let hidden = Set(state.hidden.values)
      state.asked = state.asked.filter { accounts.contains($0.key) || $0.value.next > now }
      let due = accounts.filter { account in state.asked[account].map { $0.next <= now } ?? true }
      let first = due.min { one, other in
        switch (state.asked[one]?.last, state.asked[other]?.last) {
        case (let one?, let other?): one < other
        case (nil, nil): one < other
        case (let one, _): one == nil
        }
      }
      if let first { state.asked[first] = (now, hidden.contains(first) ? now : now + Self.pause) }
      return (hidden, first)
    }
  }

  func note(hidden ids: [String], of account: String) {
    guard !ids.isEmpty else { return }
    state.withLock { state in
      for id in ids { state.hidden[id] = account }
      state.asked[account]?.next = .now
    }
  }

  func postpone(_ account: String) { state.withLock { $0.asked[account]?.next = .now + Self.longPause } }

  func issues(of observer: String) -> [HealthIssue] {
    state.withLock { state in
      guard let (id, account) = state.hidden.min(by: { $0.key < $1.key }) else { return [] }
      let count = state.hidden.count
      let others = count == 1 ? "" : " and \(count - 1) other job\(count == 2 ? "" : "s")"
      return [
        .warning(
          observer,
          "account \(observer) does not see job \(id) of \(account)\(others), which Slurm shows to its owner: "
            + "make \(observer) a coordinator of the users' accounts, or remove jobs from PrivateData")
      ]
    }
  }
}

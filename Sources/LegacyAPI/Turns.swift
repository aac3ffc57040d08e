import Dispatch
import Synchronization

/// Lets a few tasks at once do what takes much memory, and few of one caller. The others wait: the first goes first, but
/// somebody else before the one who had the last turn.
final class Turns: Sendable {
  private struct State {
    var all = 0
    var each: [String: Int] = [:]
    var waiting: [(name: String, continuation: CheckedContinuation<Void, Never>)] = []
  }

  private let most: Int
  private let mostOfOne: Int
  private let state = Mutex(State())

  /// - Parameters:
  ///   - most: tasks at once.
  ///   - mostOfOne: of one name.
  init(most: Int, ofOne mostOfOne: Int) {
    self.most = most
    self.mostOfOne = mostOfOne
  }

  /// Runs `body` when it is its turn.
  func run<Result>(_ name: String, _ body: () async throws -> Result) async rethrows -> Result {
    await withCheckedContinuation { continuation in
      let begins = state.withLock { state in
        if isFree(name, state) {
          take(name, &state)
          return true
        }
        state.waiting.append((name, continuation))
        return false
      }
      if begins { continuation.resume() }
    }
    defer { end(name) }
    return try await body()
  }

  private func isFree(_ name: String, _ state: borrowing State) -> Bool {
    state.all < most && state.each[name] ?? 0 < mostOfOne
  }

  private func take(_ name: String, _ state: inout State) {
    state.all += 1
    state.each[name, default: 0] += 1
  }

  private func end(_ name: String) {
    let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
      state.all -= 1
      state.each[name] = state.each[name].flatMap { $0 > 1 ? $0 - 1 : nil }
      let index =
        state.waiting.firstIndex { $0.name != name && isFree($0.name, state) }
        ?? state.waiting.firstIndex { isFree($0.name, state) }
      guard let index else { return nil }
      let next = state.waiting.remove(at: index)
      take(next.name, &state)
      return next.continuation
    }
    next?.resume()
  }
}

/// What takes the processor for a while without waiting for anything: one at a time, on a thread of its own, so that the
/// threads that answer everybody stay free.
final class HeavyWork: Sendable {
  private let turns = Turns(most: 1, ofOne: 1)
  private let queue = DispatchQueue(label: "weir.heavy-work", qos: .utility)

  /// - Parameter name: whose it is; nobody has two turns running while others wait.
  func run<Value: Sendable>(_ name: String, _ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await turns.run(name) {
      try await withCheckedThrowingContinuation { continuation in
        queue.async { @Sendable in continuation.resume(with: Result { try body() }) }
      }
    }
  }
}

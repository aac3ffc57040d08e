import Synchronization

/// Lets one task sleep for a while, and others wake it early.
package final class Wakeup: Sendable {
  private struct State {
    var signaled = false
    var sleeper: CheckedContinuation<Void, Never>?
  }

  private let wait: @Sendable (Duration) async throws -> Void
  private let state = Mutex(State())

  /// - Parameter sleep: waits for a time, and throws when the task is canceled.
  package init(sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }) {
    wait = sleep
  }

  /// Ends the current sleep, or the next one at once.
  package func signal() {
    let sleeper = state.withLock { state in
      state.signaled = state.sleeper == nil
      return state.sleeper.take()
    }
    sleeper?.resume()
  }

  /// Returns after `duration`, or once signaled, or when the task is canceled.
  package func sleep(for duration: Duration) async {
    let timer = Task { [wait] in
      try? await wait(duration)
      if !Task.isCancelled { signal() }
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let now = state.withLock { state in
          if state.signaled || Task.isCancelled {
            state.signaled = false
            return true
          }
          state.sleeper = continuation
          return false
        }
        if now { continuation.resume() }
      }
    } onCancel: {
      signal()
    }
    timer.cancel()
  }
}

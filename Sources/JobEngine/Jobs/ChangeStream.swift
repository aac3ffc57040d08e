import Synchronization

/// Changes that wait for one reader; see ``EventBus/changes(buffering:)``. It leaves the bus when it is released.
package final class ChangeStream: Sendable {
  package enum Element: Sendable {
    case change(EventBus.Change)
    /// So many changes before the next one were dropped, since the reader was too slow.
    case lost(Int)
  }

  private struct State {
    var waiting: ArraySlice<EventBus.Change> = []
    var lost = 0
    var reader: CheckedContinuation<Element?, Never>?
    var isCanceled = false
    var onCancel: (@Sendable () -> Void)?

    mutating func next() -> Element? {
      if lost > 0 {
        defer { lost = 0 }
        return .lost(lost)
      }
      return waiting.popFirst().map { .change($0) }
    }
  }

  private let limit: Int
  private let state = Mutex(State())

  /// - Parameter limit: how many changes wait for the reader, one at least.
  init(limit: Int) { self.limit = max(1, limit) }

  deinit { cancel() }

  /// The next change, or how many were lost before it; nil once the stream or the reader's task was canceled.
  ///
  /// There is one reader at a time.
  package func next() async -> Element? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (element, isReady) = state.withLock { state -> (Element?, Bool) in
          if state.isCanceled || Task.isCancelled { return (nil, true) }
          if let element = state.next() { return (element, true) }
          precondition(state.reader == nil, "a stream of changes has one reader")
          state.reader = continuation
          return (nil, false)
        }
        if isReady { continuation.resume(returning: element) }
      }
    } onCancel: {
      cancel()
    }
  }

  /// Ends the stream: what waits is dropped, and the bus forgets it.
  package func cancel() {
    let (reader, leave) = state.withLock { state in
      state.isCanceled = true
      state.waiting = []
      return (state.reader.take(), state.onCancel.take())
    }
    reader?.resume(returning: nil)
    leave?()
  }

  func add(_ change: EventBus.Change) {
    let reader = state.withLock { state -> CheckedContinuation<Element?, Never>? in
      guard !state.isCanceled else { return nil }
      if let reader = state.reader.take() { return reader }
      if state.waiting.count == limit {
        state.waiting.removeFirst()
        state.lost += 1
      }
      state.waiting.append(change)
      return nil
    }
    reader?.resume(returning: .change(change))
  }

  func onCancel(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onCancel = body } }
}

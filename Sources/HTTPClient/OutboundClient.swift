import Foundation
import Synchronization

/// Sends requests to other servers, a bounded number at once.
///
/// libcurl blocks, so each request in flight has a thread of its own, which ends with it.
public final class OutboundClient: Sendable {
  private struct State {
    var running = 0
    /// Those whose turn comes, the longest waiting first.
    var waiting: [Waiter] = []
  }

  private struct Waiter {
    let request: OutboundRequest
    let continuation: CheckedContinuation<Result<OutboundResponse, OutboundError>, Never>
  }

  private let atOnce: Int
  private let maximumWaiting: Int
  private let state = Mutex(State())

  /// - Parameters:
  ///   - atOnce: how many requests are in flight at once.
  ///   - waiting: how many more wait for their turn; past it ``OutboundError/busy`` is thrown.
  public init(atOnce: Int, waiting: Int = 64) {
    self.atOnce = max(1, atOnce)
    maximumWaiting = waiting
  }

  /// Sends a request when its turn comes. Its time begins then.
  public func send(_ request: OutboundRequest) async throws(OutboundError) -> OutboundResponse {
    try await withCheckedContinuation { continuation in
      let waiter = Waiter(request: request, continuation: continuation)
      let next = state.withLock { state -> Next in
        if state.running < atOnce {
          state.running += 1
          return .begins
        }
        guard state.waiting.count < maximumWaiting else { return .isRefused }
        state.waiting.append(waiter)
        return .waits
      }
      switch next {
      case .begins: begin(waiter)
      case .isRefused: continuation.resume(returning: .failure(.busy))
      case .waits: break
      }
    }.get()
  }

  private enum Next { case begins, waits, isRefused }

  private func begin(_ first: Waiter) {
    Thread.detachNewThread { [self] in
      var current: Waiter? = first
      while let waiter = current {
        let result = Result { () throws(OutboundError) in try Self.sendBlocking(waiter.request) }
        current = state.withLock { state in
          if state.waiting.isEmpty {
            state.running -= 1
            return nil
          }
          return state.waiting.removeFirst()
        }
        waiter.continuation.resume(returning: result)
      }
    }
  }

  /// Sends a request and blocks the calling thread meanwhile: for callers that have a thread of their own.
  public static func sendBlocking(_ request: OutboundRequest) throws(OutboundError) -> OutboundResponse {
    try Transfer(request).run()
  }
}

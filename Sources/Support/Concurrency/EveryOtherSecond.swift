import Dispatch

/// Calls `body` every other second until it returns false: on a queue, not on a thread of the tasks, since the files that it
/// reads may lie on a server that does not answer.
package func everyOtherSecond(on queue: DispatchQueue, _ body: @escaping @Sendable () -> Bool) {
  Task {
    var goesOn = true
    while goesOn {
      try await Task.sleep(for: .seconds(2))
      goesOn = await withCheckedContinuation { done in queue.async { done.resume(returning: body()) } }
    }
  }
}

/// A task that writes to a connection as it goes: a streamed body's, or a tunnel's. Confined to the connection's loop.
class LiveTask: @unchecked Sendable {
  var task: Task<Void, Never>?
  private var writers: [CheckedContinuation<Void, any Error>] = []
  private var onDrain: [@Sendable () -> Void] = []
  private var isDraining = false

  func wait(_ writer: CheckedContinuation<Void, any Error>) { writers.append(writer) }

  func resumeWriters() {
    let waiting = writers
    writers = []
    for writer in waiting { writer.resume() }
  }

  /// Has `body` called when the server drains, which it may do already.
  func whenDraining(_ body: @escaping @Sendable () -> Void) {
    if isDraining { body() } else { onDrain.append(body) }
  }

  func drain() {
    isDraining = true
    let waiting = onDrain
    onDrain = []
    for body in waiting { body() }
  }

  /// Cancels the task first: one that learns of the end by the error of its write finds itself cancelled.
  func connectionClosed() {
    task?.cancel()
    let waiting = writers
    writers = []
    for writer in waiting { writer.resume(throwing: BodyWriterError.connectionClosed) }
  }
}

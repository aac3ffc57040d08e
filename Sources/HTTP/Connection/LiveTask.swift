/// A task that writes to a connection as it goes: a streamed body's, or a tunnel's. Confined to the connection's loop.
class LiveTask: @unchecked Sendable {
  /// What becomes of the connection when the task has ended.
  enum End {
    case nextRequest
    case close
    /// The task has written fewer bytes than it announced.
    case tooShort(missing: Int)
  }

  private var task: Task<Void, Never>?
  private var writers: [CheckedContinuation<Void, any Error>] = []
  private var onDrain: [@Sendable () -> Void] = []
  private var isDraining = false

  /// What failed when the task fails, for the log.
  var title: String { "a task" }

  /// Runs `body` for the request with that id, and tells the connection when it ends.
  func run(
    on connection: Connection, for requestID: String, _ body: @escaping @Sendable () async throws -> Void
  ) {
    task = Task {
      var failure: (any Error)?
      do {
        try await RequestContext.$requestID.withValue(requestID) { try await body() }
      } catch { failure = error }
      connection.onLoop { @Sendable [failure] in connection.finish(self, failure) }
    }
  }

  /// Writes `bytes` as they have to be framed.
  func append(_ bytes: [UInt8], to output: inout OutputBuffer) throws(BodyWriterError) { output.append(body: bytes) }

  /// Writes what belongs behind the last byte.
  func appendEnd(to output: inout OutputBuffer) -> End { .close }

  /// Has a writer wait until more is welcome.
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

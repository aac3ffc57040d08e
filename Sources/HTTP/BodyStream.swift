/// A response's body that is being written bit by bit. Confined to its connection's loop.
final class BodyStream: @unchecked Sendable {
  var end: ResponseFraming.StreamEnd
  let keepsAlive: Bool
  var task: Task<Void, Never>?
  private var writers: [CheckedContinuation<Void, any Error>] = []

  init(end: ResponseFraming.StreamEnd, keepsAlive: Bool) {
    self.end = end
    self.keepsAlive = keepsAlive
  }

  func wait(_ writer: CheckedContinuation<Void, any Error>) { writers.append(writer) }

  func resumeWriters() {
    let waiting = writers
    writers = []
    for writer in waiting { writer.resume() }
  }

  func connectionClosed() {
    let waiting = writers
    writers = []
    for writer in waiting { writer.resume(throwing: BodyWriterError.connectionClosed) }
    task?.cancel()
  }
}

extension Connection {
  /// Begins to send a body as `produce` writes it.
  func stream(
    _ produce: @escaping @Sendable (BodyWriter) async throws -> Void, end: ResponseFraming.StreamEnd, keepsAlive: Bool
  ) {
    let stream = BodyStream(end: end, keepsAlive: keepsAlive)
    let queue = context.loop.queue
    phase = .streaming(stream)
    let writer = BodyWriter { [self] bytes in
      try await withCheckedThrowingContinuation { continuation in
        queue.async { @Sendable [self] in write(bytes, to: stream, continuation) }
      }
    }
    stream.task = Task { [self] in
      var failure: (any Error)?
      do { try await produce(writer) } catch { failure = error }
      queue.async { @Sendable [self, failure] in finish(stream, failure) }
    }
  }

  private func write(_ bytes: [UInt8], to stream: BodyStream, _ writer: CheckedContinuation<Void, any Error>) {
    context.loop.assertConfined()
    // A writer may have been kept beyond its stream: the connection can be at another one by now.
    guard case .streaming(let current) = phase, current === stream else {
      return writer.resume(throwing: BodyWriterError.connectionClosed)
    }
    switch stream.end {
    case .length(let remaining):
      guard bytes.count <= remaining else { return writer.resume(throwing: BodyWriterError.lengthExceeded) }
      stream.end = .length(remaining: remaining - bytes.count)
      output.append(contentsOf: bytes)
    case .chunked where !bytes.isEmpty:
      output.append(number: bytes.count, radix: 16)
      output.append("\r\n")
      output.append(contentsOf: bytes)
      output.append("\r\n")
    case .chunked: break
    case .close: output.append(contentsOf: bytes)
    }
    stream.wait(writer)
    proceed()
  }

  private func finish(_ stream: BodyStream, _ failure: (any Error)?) {
    context.loop.assertConfined()
    guard case .streaming(let current) = phase, current === stream else { return }
    if let failure {
      context.logger.warning("a response broke off", metadata: ["error": "\(failure)"])
      return abort()
    }
    switch stream.end {
    case .length(let remaining):
      guard remaining == 0 else {
        context.logger.error("a response was shorter than announced", metadata: ["missing": "\(remaining)"])
        return abort()
      }
    case .chunked: output.append("0\r\n\r\n")
    case .close: break
    }
    phase = stream.keepsAlive ? .receiving : .closing
    proceed()
  }
}

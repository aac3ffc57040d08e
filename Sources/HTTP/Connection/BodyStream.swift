/// A response's body that is being written bit by bit. Confined to its connection's loop.
final class BodyStream: LiveTask, @unchecked Sendable {
  var end: ResponseFraming.StreamEnd
  let keepsAlive: Bool

  init(end: ResponseFraming.StreamEnd, keepsAlive: Bool) {
    self.end = end
    self.keepsAlive = keepsAlive
  }
}

extension Connection {
  /// Begins to send a body as `produce` writes it.
  func stream(
    _ produce: @escaping @Sendable (BodyWriter) async throws -> Void, _ requestID: String,
    end: ResponseFraming.StreamEnd, keepsAlive: Bool
  ) {
    let stream = BodyStream(end: end, keepsAlive: keepsAlive)
    let loop = context.loop
    phase = .streaming(stream)
    if loop.isDraining { stream.drain() }
    let writer = BodyWriter(
      send: { [self] bytes in
        try await withCheckedThrowingContinuation { continuation in
          loop.perform { @Sendable [self] in write(bytes, to: stream, continuation) }
        }
      },
      notify: { body in loop.perform { @Sendable in stream.whenDraining(body) } })
    stream.task = Task { [self] in
      var failure: (any Error)?
      do {
        try await RequestContext.$requestID.withValue(requestID) { try await produce(writer) }
      } catch { failure = error }
      loop.perform { @Sendable [self, failure] in finish(stream, failure) }
    }
  }

  private func write(_ bytes: [UInt8], to stream: BodyStream, _ writer: CheckedContinuation<Void, any Error>) {
    context.loop.assertConfined()
    // A writer may have been kept beyond its stream: the connection can be at another one by now.
    guard case .streaming(let current) = phase, current === stream else {
      return writer.resume(throwing: BodyWriterError.connectionClosed)
    }
    let before = output.count
    switch stream.end {
    case .length(let remaining):
      guard bytes.count <= remaining else { return writer.resume(throwing: BodyWriterError.lengthExceeded) }
      stream.end = .length(remaining: remaining - bytes.count)
      output.append(body: bytes)
    case .chunked where !bytes.isEmpty: output.append(chunk: bytes)
    case .chunked: break
    case .close: output.append(body: bytes)
    }
    access?.bytesSent += output.count - before
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
    case .chunked:
      output.append("0\r\n\r\n")
      access?.bytesSent += 5
    case .close: break
    }
    record()
    phase = stream.keepsAlive && !context.loop.isDraining ? .receiving : .closing
    proceed()
  }
}

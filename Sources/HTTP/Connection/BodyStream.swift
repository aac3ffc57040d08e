/// A response's body that is being written bit by bit. Confined to its connection's loop.
final class BodyStream: LiveTask, @unchecked Sendable {
  private var end: ResponseFraming.StreamEnd
  private let keepsAlive: Bool

  init(end: ResponseFraming.StreamEnd, keepsAlive: Bool) {
    self.end = end
    self.keepsAlive = keepsAlive
  }

  /// Begins to send the body as `produce` writes it.
  func start(
    _ produce: @escaping @Sendable (BodyWriter) async throws -> Void, on connection: Connection, for requestID: String
  ) {
    let writer = BodyWriter(
      send: { [self] bytes in
        try await withCheckedThrowingContinuation { continuation in
          connection.onLoop { @Sendable [self] in connection.write(bytes, from: self, continuation) }
        }
      },
      notify: { [self] body in connection.onLoop { @Sendable [self] in whenDraining(body) } })
    run(on: connection, for: requestID) { try await produce(writer) }
  }

  override var title: String { "a response" }

  override func append(_ bytes: [UInt8], to output: inout OutputBuffer) throws(BodyWriterError) {
    switch end {
    case .length(let remaining):
      guard bytes.count <= remaining else { throw .lengthExceeded }
      end = .length(remaining: remaining - bytes.count)
      output.append(body: bytes)
    case .chunked where !bytes.isEmpty: output.append(chunk: bytes)
    case .chunked: break
    case .close: output.append(body: bytes)
    }
  }

  override func appendEnd(to output: inout OutputBuffer) -> End {
    switch end {
    case .length(let remaining) where remaining > 0: return .tooShort(missing: remaining)
    case .length, .close: break
    case .chunked: output.append("0\r\n\r\n")
    }
    return keepsAlive ? .nextRequest : .close
  }
}

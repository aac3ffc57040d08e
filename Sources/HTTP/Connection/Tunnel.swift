import Glibc

/// A connection that speaks another protocol after a switch (RFC 9110 section 7.8): bytes both ways, until one side ends
/// it or nothing has come or gone for ``Limits/tunnelIdle``.
///
///     router.on("GET", "/shell") { _ in
///       .upgrade(to: "shell") { tunnel in
///         while let bytes = try await tunnel.read() { try await tunnel.write(answer(to: bytes)) }
///       }
///     }
public struct Tunnel: Sendable {
  let receive: @Sendable () async throws -> [UInt8]?
  let send: @Sendable ([UInt8]) async throws -> Void
  let notify: @Sendable (@escaping @Sendable () -> Void) -> Void

  /// What the client sent, some 64 KB at most; nil after its last byte. One reader at a time. While nobody reads, the
  /// client has to wait.
  /// - Throws: ``BodyWriterError/connectionClosed``, or `CancellationError` when the task that reads is cancelled;
  ///   no byte is lost then.
  public func read() async throws -> [UInt8]? { try await receive() }

  /// Sends `bytes`; returns when the client has taken enough of what was written for more to be welcome.
  /// - Throws: ``BodyWriterError/connectionClosed``.
  public func write(_ bytes: [UInt8]) async throws { try await send(bytes) }

  /// Has `body` called when the server begins to drain: an endless tunnel should end then.
  public func onDrain(_ body: @escaping @Sendable () -> Void) { notify(body) }
}

/// A switch to another protocol.
public struct Upgrade: Sendable {
  /// Its name, as the client has to ask for it in the Upgrade field.
  public var name: String
  /// Fields of the 101 answer.
  public var headers: Headers
  /// Speaks it. When it returns the connection is closed, when it throws it is reset.
  public var body: @Sendable (Tunnel) async throws -> Void
}

/// The client's side of a tunnel, and who waits for it. Confined to its connection's loop.
final class TunnelTask: LiveTask, @unchecked Sendable {
  private var inbox: [UInt8] = []
  private var isInputOver = false
  private var reader: CheckedContinuation<[UInt8]?, any Error>?
  private var isReaderCancelled = false

  private static let room = 65_536

  /// Begins to speak the other protocol.
  func start(
    _ body: @escaping @Sendable (Tunnel) async throws -> Void, on connection: Connection, for requestID: String
  ) {
    let tunnel = Tunnel(
      receive: { [self] in
        defer { connection.onLoop { @Sendable [self] in readEnded() } }
        return try await withTaskCancellationHandler {
          try await withCheckedThrowingContinuation { continuation in
            connection.onLoop { @Sendable [self] in connection.read(for: self, continuation) }
          }
        } onCancel: {
          connection.onLoop { @Sendable [self] in cancelReader() }
        }
      },
      send: { [self] bytes in
        try await withCheckedThrowingContinuation { continuation in
          connection.onLoop { @Sendable [self] in connection.write(bytes, from: self, continuation) }
        }
      },
      notify: { [self] body in connection.onLoop { @Sendable [self] in whenDraining(body) } })
    run(on: connection, for: requestID) { try await body(tunnel) }
  }

  override var title: String { "a tunnel" }

  var wantsInput: Bool { !isInputOver && inbox.count < Self.room }

  func received(_ bytes: some Collection<UInt8>) {
    inbox.append(contentsOf: bytes)
    serve()
  }

  func inputEnded() {
    isInputOver = true
    serve()
  }

  func read(_ continuation: CheckedContinuation<[UInt8]?, any Error>) {
    guard reader == nil else { return continuation.resume(throwing: TunnelError.alreadyReading) }
    reader = continuation
    if isReaderCancelled { cancelReader() } else { serve() }
  }

  /// The cancellation may come before the read does.
  private func cancelReader() {
    isReaderCancelled = reader == nil
    reader.take()?.resume(throwing: CancellationError())
  }

  private func readEnded() { isReaderCancelled = false }

  private func serve() {
    guard reader != nil, isInputOver || !inbox.isEmpty else { return }
    let bytes = inbox
    inbox = []
    reader.take()?.resume(returning: bytes.isEmpty ? nil : bytes)
  }

  override func connectionClosed() {
    super.connectionClosed()
    reader.take()?.resume(throwing: BodyWriterError.connectionClosed)
  }
}

enum TunnelError: Error {
  /// Two readers would each get a part of what comes.
  case alreadyReading
}

extension Upgrade {
  /// - Throws: 426 when the client did not ask for this protocol; 503 while the server drains.
  func check(_ exchange: Exchange, isDraining: Bool) throws(HTTPError) {
    guard !isDraining else {
      throw HTTPError(.serviceUnavailable, code: "service_ending", "the service is shutting down")
    }
    guard !exchange.framing.isHTTP10, exchange.request.asksUpgrade(to: name) else {
      throw HTTPError(
        Status(426), code: "upgrade_required", "this call needs a protocol upgrade",
        hint: "send the headers Connection: upgrade and Upgrade: \(name)", headers: ["Upgrade": name])
    }
  }
}

extension Request {
  /// RFC 9110 section 7.8: both fields have to say it.
  fileprivate func asksUpgrade(to name: String) -> Bool {
    headers.lists("Connection", "upgrade") && headers.lists("Upgrade", name)
  }
}

extension Headers {
  /// Whether the list that the fields of that name make has the element, whatever the case.
  fileprivate func lists(_ name: String, _ element: String) -> Bool {
    values(of: name).contains { value in
      value.split(separator: ",").contains { part in
        let bytes = Array(part.utf8)
        return bytes.withUnsafeBytes { bytes in
          Array(element.utf8).withUnsafeBytes { bytes.trimmed.equalsIgnoringCase($0) }
        }
      }
    }
  }
}

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

  /// Has `body` called when the server begins to drain: an endless tunnel should come to its end then.
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
  func cancelReader() {
    isReaderCancelled = reader == nil
    reader.take()?.resume(throwing: CancellationError())
  }

  func readEnded() { isReaderCancelled = false }

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

extension Connection {
  /// Answers 101 and hands the connection over; 426 when the client did not ask for this protocol.
  func upgrade(_ upgrade: Upgrade, _ exchange: Exchange) throws {
    guard !context.loop.isDraining else {
      throw HTTPError(.serviceUnavailable, code: "service_ending", "the service is ending")
    }
    guard !exchange.framing.isHTTP10, exchange.request.asksUpgrade(to: upgrade.name) else {
      throw HTTPError(
        Status(426), code: "upgrade_required", "this call is for a connection that switches its protocol",
        hint: "ask with the fields Connection: upgrade and Upgrade: \(upgrade.name)",
        headers: ["Upgrade": upgrade.name])
    }
    let before = output.count
    output.append(switchingTo: upgrade, id: exchange.request.storage.id, date: context.currentDate())
    access?.status = 101
    access?.bytesSent = output.count - before
    let requestID = exchange.request.id
    let tunnel = TunnelTask()
    phase = .tunneling(tunnel)
    let handle = handle(of: tunnel)
    let loop = context.loop
    tunnel.task = Task { [self] in
      var failure: (any Error)?
      do {
        try await RequestContext.$requestID.withValue(requestID) { try await upgrade.body(handle) }
      } catch { failure = error }
      loop.perform { @Sendable [self, failure] in finish(tunnel, failure) }
    }
  }

  private func handle(of tunnel: TunnelTask) -> Tunnel {
    let loop = context.loop
    return Tunnel(
      receive: { [self] in
        defer { loop.perform { @Sendable in tunnel.readEnded() } }
        return try await withTaskCancellationHandler {
          try await withCheckedThrowingContinuation { continuation in
            loop.perform { @Sendable [self] in read(from: tunnel, continuation) }
          }
        } onCancel: {
          loop.perform { @Sendable in tunnel.cancelReader() }
        }
      },
      send: { [self] bytes in
        try await withCheckedThrowingContinuation { continuation in
          loop.perform { @Sendable [self] in write(bytes, to: tunnel, continuation) }
        }
      },
      notify: { body in loop.perform { @Sendable in tunnel.whenDraining(body) } })
  }

  private func isAt(_ tunnel: TunnelTask) -> Bool {
    context.loop.assertConfined()
    if case .tunneling(let current) = phase { return current === tunnel }
    return false
  }

  private func read(from tunnel: TunnelTask, _ reader: CheckedContinuation<[UInt8]?, any Error>) {
    guard isAt(tunnel) else { return reader.resume(throwing: BodyWriterError.connectionClosed) }
    tunnel.read(reader)
    listenToTunnel(tunnel)
  }

  private func write(_ bytes: [UInt8], to tunnel: TunnelTask, _ writer: CheckedContinuation<Void, any Error>) {
    guard isAt(tunnel) else { return writer.resume(throwing: BodyWriterError.connectionClosed) }
    output.append(body: bytes)
    access?.bytesSent += bytes.count
    tunnel.wait(writer)
    proceed()
  }

  private func finish(_ tunnel: TunnelTask, _ failure: (any Error)?) {
    guard isAt(tunnel) else { return }
    if let failure {
      context.logger.warning("a tunnel broke off", metadata: ["error": "\(failure)"])
      return abort()
    }
    record()
    phase = .closing
    proceed()
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

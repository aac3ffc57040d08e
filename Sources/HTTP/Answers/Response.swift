/// What a client is answered.
///
/// Date, Content-Length, Transfer-Encoding, Connection and X-Request-ID are the server's to write; a handler that sets
/// `Connection: close` has the connection closed after the answer, the others are ignored.
public struct Response: Sendable {
  public enum Body: Sendable {
    case bytes([UInt8])
    /// A body that is written bit by bit, in a task of its own. With a length exactly that many bytes have to be
    /// written; without one it is sent in chunks. When the closure throws the connection is reset, so that the client
    /// cannot take a part for the whole.
    case stream(length: Int?, @Sendable (BodyWriter) async throws -> Void)
  }

  /// A status below 200 or above 599 is answered as 500.
  public var status: Status
  public var headers: Headers
  public var body: Body
  /// Held until the last byte of the answer is sent, or the connection is gone. Its end tells
  /// the owner that the answer no longer counts.
  public var lease: (any AnyObject & Sendable)?
  /// Bytes that the producer of a streamed body holds in memory meanwhile.
  public var heldBytes = 0
  /// What is recorded of the error that this answer tells.
  var error: RecordedError?

  public init(_ status: Status = .ok, headers: Headers = [:], body: Body) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// An answer of bytes that already are JSON.
  public static func json(_ bytes: [UInt8], status: Status = .ok) -> Response {
    Response(status, headers: jsonHeaders, body: .bytes(bytes))
  }

  public static func text(
    _ text: String, contentType: String = "text/plain; charset=utf-8", status: Status = .ok
  ) -> Response {
    Response(status, headers: ["Content-Type": contentType], body: .bytes(Array(text.utf8)))
  }

  /// Made once: headers share their bytes.
  private static let jsonHeaders: Headers = ["Content-Type": "application/json"]
}

/// Where a streamed body is written.
public struct BodyWriter: Sendable {
  let send: @Sendable ([UInt8]) async throws -> Void
  let notify: @Sendable (@escaping @Sendable () -> Void) -> Void

  /// Sends `bytes`; returns when the client has taken enough of what was written for more to be welcome.
  /// - Throws: ``BodyWriterError`` when the connection is gone or more is written than was announced.
  public func write(_ bytes: [UInt8]) async throws { try await send(bytes) }

  /// Has `body` called when the server begins to drain: a stream without an end of its own, of events for example,
  /// should end then, or it is cut off when the time for the drain has passed.
  public func onDrain(_ body: @escaping @Sendable () -> Void) { notify(body) }
}

public enum BodyWriterError: Error, Sendable {
  /// The client closed the connection, stopped reading for too long, or the server stops.
  case connectionClosed
  /// More bytes than the `length` of the body.
  case lengthExceeded
}

/// What a handler gives: the answer, or the way to it.
public enum Answer: Sendable {
  /// Written at once, on the connection's loop.
  case now(Response)
  /// Awaited in a task of its own. The task is not cancelled when the client closes the connection: it finishes its work.
  case later(@Sendable () async throws -> Response)
  /// The connection leaves HTTP, if the client asked for it; if not, it is answered 426.
  case upgrade(Upgrade)

  /// - Parameter name: the protocol, as the client has to ask for it in the Upgrade field.
  public static func upgrade(
    to name: String, headers: Headers = [:], _ body: @escaping @Sendable (Tunnel) async throws -> Void
  ) -> Answer {
    .upgrade(Upgrade(name: name, headers: headers, body: body))
  }
}

/// Answers a request. It is called on the connection's loop, where all other connections wait meanwhile: what may
/// block or take long belongs into ``Answer/later(_:)``.
public typealias Handler = @Sendable (Request) throws -> Answer

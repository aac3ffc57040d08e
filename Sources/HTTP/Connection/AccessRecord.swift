/// What is recorded of a request that was answered.
public struct AccessRecord: Sendable {
  /// When the answer was made, or came to its end if it is a stream or a tunnel: seconds since 1970, UTC.
  public var time: Double
  /// The ``Request/id``.
  public var requestID: String
  /// As sent, cut after 32 characters; empty when the request was not understood so far.
  public var method: String
  /// As sent, still percent-encoded, without the query, cut after 2,000 characters; empty when the request was not
  /// understood so far. It holds no control bytes.
  public var path: String
  /// The pattern of the route; nil when none took the request.
  public var route: String?
  public var status: Int
  /// Milliseconds from the end of the request's head, its body's arrival included; 0 when the head did not come whole.
  public var milliseconds: Double
  /// The bytes of the answer's head and body. When it was cut off: as many as the system took of it.
  public var bytesSent: Int
  /// Such as `127.0.0.1:5321` or `[::1]:5321`.
  public var remoteAddress: String
  /// The values that the handler passed to ``Request/note(caller:jobID:)``.
  public var caller: String?
  public var jobID: String?
  /// The ``HTTPError/code`` and the ``HTTPError/detail`` of an error that was answered.
  public var code: String?
  public var detail: String?
  /// The route was declared quiet.
  public var isQuiet: Bool
  /// The client went away, or was cut off, before there was all of its answer: in a stream or a tunnel, or while it was
  /// awaited. `status` is what it got or, when that is nothing, what it would have got. An answer that is there at once
  /// is never known to be lost.
  public var isCutOff: Bool
}

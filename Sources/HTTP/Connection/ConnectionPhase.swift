/// What a connection is doing.
enum ConnectionPhase {
  /// Reading a request, or waiting for one.
  case receiving
  /// A ``Answer/later(_:)`` runs.
  case answering
  /// A response's body is being produced.
  case streaming(BodyStream)
  /// The connection speaks another protocol.
  case tunneling(TunnelTask)
  /// The last answer is written as far as the client takes it; then the end.
  case closing
  /// Our side is shut; what the client still sends is read and dropped, for an answer it has not read yet would be
  /// lost to a reset (RFC 9112 section 9.6).
  case lingering(until: Nanoseconds)
  case closed

  var isReceiving: Bool {
    if case .receiving = self { return true }
    return false
  }

  var isAnswering: Bool {
    if case .answering = self { return true }
    return false
  }

  var isClosing: Bool {
    if case .closing = self { return true }
    return false
  }

  /// The task that writes to the connection.
  var liveTask: LiveTask? {
    switch self {
    case .streaming(let stream): stream
    case .tunneling(let tunnel): tunnel
    default: nil
    }
  }
}

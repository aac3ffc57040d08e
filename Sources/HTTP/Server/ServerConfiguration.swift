/// How a ``Server`` is set up.
public struct ServerConfiguration: Sendable {
  /// An IPv4 or IPv6 address, or a name for one.
  public var bindAddress = "127.0.0.1"
  /// 0 takes any free port; ``Server/port`` says which.
  public var port = 5000
  /// Event loops, a thread each while it is busy. One serves some hundred thousand small requests a second.
  public var loops = 1
  public var limits = Limits()
  /// Called once for every request that was answered, after the answer was made; for a stream or a tunnel at its end. It
  /// is called on the connection's loop, where all others wait meanwhile: it has to be quick. A connection that ends
  /// before its request was complete counts as none.
  public var accessLog: (@Sendable (AccessRecord) -> Void)?
  /// Whether requests of routes that are quiet are recorded too. When not, they cost nothing.
  public var logsQuietRoutes = false

  /// Who sends a request, as its head says. Where this is set, the bodies of strangers may have half of
  /// ``Limits/unfinishedBodies``, and those of one sender, or of strangers from one network, an eighth. It is called on
  /// the connection's loop, for large bodies and when there are too many connections.
  public var sender: (@Sendable (Request) -> RequestSender)?

  public init(bindAddress: String = "127.0.0.1", port: Int = 5000, loops: Int = 1, limits: Limits = Limits()) {
    self.bindAddress = bindAddress
    self.port = port
    self.loops = loops
    self.limits = limits
  }
}

/// Who a request comes from, as far as that is known before it is answered.
public enum RequestSender: Sendable, Equatable {
  case stranger
  case known(String)
  /// Somebody who is not bounded by himself.
  case trusted
}

/// What a client may ask of a ``Server`` before it is refused.
public struct Limits: Sendable {
  /// Bytes of a request line; more is 414.
  public var requestLine = 8192
  /// Bytes of all header fields, line ends included; more is 431. Trailers have as much again.
  public var headerBytes = 32_768
  /// Header fields; more is 431.
  public var headerCount = 100
  /// Bytes of a body where the route says nothing else; more is 413.
  public var body = 16 * 1024 * 1024
  /// Bytes of all bodies together that are coming or being worked on; one above 64 KB that would be too much is answered 503.
  public var unfinishedBodies = 256 * 1024 * 1024
  /// Of them, those of one sender, or of strangers from one network: an eighth, and always one body.
  var unfinishedBodiesOfOne: Int { max(unfinishedBodies / 8, min(unfinishedBodies, body)) }
  /// From the first byte of a request, or from the connection's begin, to the end of its head; later is 408.
  public var headerDeadline = Duration.seconds(10)
  /// Between two reads of a body; longer is 408.
  public var bodyIdle = Duration.seconds(30)
  /// Minimum transfer rate in bytes per second of a body, and of a response that a handler waits to send, beyond
  /// ``bodyIdle`` and ``writeStall``. A slower body is 408, a slower response is cut off. 0 disables the check.
  public var bodyRate = 500
  /// From an answer to the next request; then the connection is closed.
  public var keepAliveIdle = Duration.seconds(75)
  /// A client that takes no byte of its answer for so long is cut off.
  public var writeStall = Duration.seconds(30)
  /// A ``Tunnel`` through which no byte goes either way for so long is closed.
  public var tunnelIdle = Duration.seconds(3600)
  /// How long a connection that we closed is still listened to, so that a client in the middle of sending can read why.
  public var linger = Duration.seconds(10)
  /// Open connections, as far as the limit of open files leaves room for them. For one more another is closed that waits
  /// for its client: one whose last answer is sent, else the one that has not finished its request's head for longest,
  /// else the one that is idle longest, else one of a stranger that is stalled. When there is none it is answered 503.
  public var connections = 10_000
  /// Pipelined requests of one connection answered before the other connections have their turn.
  public var pipelined = 64

  public init() {}
}

extension Limits {
  /// Descriptors that are not for connections: the process's other files, and connections that get the answer that there are too many.
  private static let reservedDescriptors = 128

  /// Has no more connections than so many descriptors suffice for.
  /// - Returns: whether it had.
  mutating func fit(_ descriptors: Int) -> Bool {
    let most = max(descriptors - Self.reservedDescriptors, descriptors / 2)
    guard connections > most else { return false }
    connections = most
    return true
  }
}

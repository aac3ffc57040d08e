/// How many connections a ``ConnectionPool`` keeps, and how long it waits for what.
public struct PoolConfiguration: Sendable {
  /// Time for one attempt to connect, from the TCP connection to the login.
  public var connectTimeout: Duration = .seconds(10)

  /// After this much silence the server is asked for a sign of life; after as much again without one the connection
  /// counts as dead. So death is noticed within three of these.
  public var keepalive: Duration = .seconds(10)

  /// Commands and transfers at once on one connection. sshd allows 10 (`MaxSessions`) but frees them late;
  /// a server that allows fewer is noticed and obeyed.
  public var channelsPerConnection = 8

  /// Connections to one destination. The second and third are made only while all channels are taken.
  public var connectionsPerDestination = 3

  /// Calls that may wait for a channel, per destination; those past it fail with ``SSHError/busy(_:)``.
  public var queueLimit = 256

  /// A connection that nobody used for this long is closed.
  public var idleClose: Duration = .seconds(600)

  /// The pause after a failed attempt to connect: the lower bound at first, twice as much each time, never more than
  /// the upper bound; of that a random share between half and all.
  public var backoff: ClosedRange<Duration> = .milliseconds(500)...(.seconds(30))

  /// The pause after a host key was refused; of that a random share between half and all. It holds for all accounts on
  /// that host, and ends early when the known hosts file has changed.
  public var hostKeyPause: Duration = .seconds(60)

  /// What makes the pool offer a refused key again, for messages: the caller of ``ConnectionPool/retryLogins()`` knows it.
  public var retryHint = ""

  public init() {}
}

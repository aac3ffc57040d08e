/// What a ``ConnectionPool`` has seen since it was made.
public struct PoolCounters: Sendable, Equatable {
  /// Logins that succeeded.
  public var logins = 0
  /// Logins that a server refused.
  public var refusedLogins = 0
  /// Connections that ended though nobody here had closed them.
  public var connectionsLost = 0
  /// Commands that ran, or may have run.
  public var commands = 0
}

import Foundation

/// How a ``ConnectionPool`` fares with one destination.
public struct DestinationStatus: Sendable {
  public let destination: Destination
  /// Connections that are up.
  public let connections: Int
  /// What the last attempt to connect ended with, if nothing has worked since.
  public let lastError: String?
  /// When that began.
  public let failingSince: Date?
  /// Logins that succeeded, ever.
  public let logins: Int
  /// Calls before this moment fail at once; nil while all is well, or after a refused login, when nothing is tried.
  public let nextAttempt: Date?
}

import Foundation
import Support

/// How a ``ConnectionPool`` fares with one destination.
public struct DestinationStatus: Sendable {
  public let destination: Destination
  /// Of the key with which calls log in there; see ``PrivateKey/fingerprint``.
  public let fingerprint: String
  /// Connections that are up.
  public let connections: Int
  /// What the last attempt to connect ended with, if nothing has worked since.
  public let lastError: String?
  /// When that began.
  public let failingSince: Date?
  /// Whether this does not pass by itself: the login or the host's key is refused.
  public let needsAttention: Bool
  /// Logins that succeeded, ever.
  public let logins: Int
  /// Calls before this moment fail at once; nil while all is well, or after a refused login, when nothing is tried.
  public let nextAttempt: Date?
}

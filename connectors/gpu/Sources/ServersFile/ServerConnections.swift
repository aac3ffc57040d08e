import Shell
import Support

/// How the servers of a file are reached. The program gives it: the connector itself knows no SSH.
public protocol ServerConnections: Sendable {
  /// Runs commands on a server.
  /// - Parameters:
  ///   - key: opens the accounts there; nil for none.
  ///   - jump: where the connection goes through, if not directly.
  func runner(host: String, port: Int, key: PrivateKey?, via jump: Login?) -> any Runner

  /// Offers keys again that were refused, since the servers file has changed.
  func retryLogins()
}

/// An account on a host, and the key that opens it.
public struct Login: Sendable, Equatable {
  public let host: String
  public let port: Int
  public let user: String
  public let key: PrivateKey
}

/// Where a command runs, and as whom: the `user@host:port` of ssh.
public struct Destination: Hashable, Sendable, CustomStringConvertible {
  /// A name or an address; IPv6 addresses without brackets.
  public let host: String
  public let port: Int
  /// The account on `host`.
  public let user: String

  public init(host: String, port: Int = 22, user: String) {
    self.host = host
    self.port = port
    self.user = user
  }

  public var description: String { "\(user)@\(endpoint)" }

  /// `host:port`: what a host key belongs to, whoever logs in.
  public var endpoint: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

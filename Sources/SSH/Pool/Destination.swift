import Support

/// Where a command runs, and as whom: the `user@host:port` of ssh.
public struct Destination: Hashable, Sendable, CustomStringConvertible {
  /// A name or an address; IPv6 addresses without brackets.
  public let host: String
  public let port: Int
  /// The account on `host`.
  public let user: String
  /// The host by way of which this one is reached, if not directly.
  public let via: JumpHost?

  public init(host: String, port: Int = 22, user: String, via: JumpHost? = nil) {
    self.host = host
    self.port = port
    self.user = user
    self.via = via
  }

  public var description: String {
    guard let via else { return "\(user)@\(endpoint)" }
    return "\(user)@\(endpoint) via \(via.destination.endpoint)"
  }

  /// `host:port`: what a host key belongs to, for every account.
  public var endpoint: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A host that passes connections on to another (`ssh -J`); its sshd must allow that (`AllowTcpForwarding`).
///
/// Its key is checked as any host's. Each host behind it is reached by a login of its own there, so that one that does
/// not answer keeps nobody from the others.
public struct JumpHost: Hashable, Sendable {
  public let host: String
  public let port: Int
  public let user: String
  let key: PrivateKey

  var destination: Destination { Destination(host: host, port: port, user: user) }

  /// - Parameters:
  ///   - user: the account there, which needs no shell.
  ///   - key: logs in to it.
  public init(host: String, port: Int = 22, user: String, key: PrivateKey) {
    self.host = host
    self.port = port
    self.user = user
    self.key = key
  }

  public static func == (one: JumpHost, other: JumpHost) -> Bool {
    one.destination == other.destination && one.key.fingerprint == other.key.fingerprint
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(destination)
    hasher.combine(key.fingerprint)
  }
}

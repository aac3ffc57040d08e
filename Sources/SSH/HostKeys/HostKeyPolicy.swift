/// Which host keys are trusted. There is no way to trust all of them.
public enum HostKeyPolicy: Sendable {
  /// Those in a file of OpenSSH's `known_hosts` format, which is only read (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
  case knownHosts(path: String)

  /// The first key that a host shows, kept in a file of the same format, made with mode 0600 if missing. The key's
  /// fingerprint is logged when it is kept, and any other key is refused from then on.
  case trustOnFirstUse(path: String)

  var path: String {
    switch self {
    case .knownHosts(let path), .trustOnFirstUse(let path): path
    }
  }
}

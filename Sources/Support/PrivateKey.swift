/// A private key for logging in, in OpenSSH's format, held in memory only. The module `SSH` makes one of a text, and checks
/// it then; others hold it.
///
/// Printing, dumping or logging one shows its kind and its fingerprint, nothing else.
public struct PrivateKey: Sendable, Equatable {
  /// The name of the key's algorithm, as in its public key file.
  public enum Kind: String, Sendable {
    case ed25519 = "ssh-ed25519"
    case ecdsa256 = "ecdsa-sha2-nistp256"
    case ecdsa384 = "ecdsa-sha2-nistp384"
    case ecdsa521 = "ecdsa-sha2-nistp521"
    case rsa = "ssh-rsa"
    case dsa = "ssh-dss"
    case securityKeyEd25519 = "sk-ssh-ed25519@openssh.com"
    case securityKeyECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"
  }

  public let kind: Kind
  /// `SHA256:...` of the public key, as `ssh-keygen -l` and sshd's log show it.
  public let fingerprint: String

  /// The text of the file, as libssh2 reads it, and what opens it.
  package let pem: [UInt8]
  package let passphrase: String?

  package init(kind: Kind, fingerprint: String, pem: [UInt8], passphrase: String?) {
    self.kind = kind
    self.fingerprint = fingerprint
    self.pem = pem
    self.passphrase = passphrase
  }

  /// Two texts of one key are the same key.
  public static func == (one: Self, other: Self) -> Bool { one.fingerprint == other.fingerprint }
}

extension PrivateKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "\(kind.rawValue) \(fingerprint)" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: ["kind": kind.rawValue, "fingerprint": fingerprint]) }
}

/// Makes a private key of the text of its file, or throws what is wrong with it, in one sentence.
public typealias KeyReader = @Sendable (_ text: String) throws -> PrivateKey

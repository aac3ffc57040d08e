import CLibCrypto

/// The key that tokens are verified with: an RSA or EC public key, or an HMAC secret.
///
/// Which algorithms a token may use follows from the kind of key and not from the token, so that a public key never serves as an
/// HMAC secret (RFC 8725, section 3.1).
public struct VerificationKey: Sendable {
  /// An elliptic curve, by its name in RFC 7518, section 3.4.
  public enum Curve: String, Sendable {
    case p256 = "P-256"
    case p384 = "P-384"
    case p521 = "P-521"
  }

  /// The kind of a key.
  public enum Family: Sendable, Equatable {
    case hmac
    case rsa
    case ec(Curve)
  }

  public let family: Family

  /// The algorithms that this key can verify. A secret fits those whose hash is no longer than itself (RFC 7518, section 3.2).
  public let fitting: Set<Algorithm>

  /// What the library is given: PEM (SubjectPublicKeyInfo), or the secret.
  let material: [UInt8]

  /// Length of the modulus, of the curve's field or of the secret.
  private let bits: Int

  /// Reads a key.
  /// - Parameter contents: a PEM public key, or else a secret of at least 32 bytes. One line end after a secret, as files have it,
  ///   is not part of it.
  /// - Throws: a ``KeyError`` that says what was given instead.
  public init(contents: [UInt8]) throws(KeyError) {
    defer { ERR_clear_error() }
    let blocks = PEMBlock.labels(in: contents)
    if !blocks.isEmpty {
      try self.init(pem: contents, labels: blocks)
    } else if let error = PEMBlock.otherForm(of: contents) {
      throw error
    } else {
      try self.init(secret: contents)
    }
  }

  private init(secret contents: [UInt8]) throws(KeyError) {
    var secret = contents[...]
    if secret.last == UInt8(ascii: "\n") { secret.removeLast() }
    if secret.count < contents.count, secret.last == UInt8(ascii: "\r") { secret.removeLast() }
    guard secret.count >= 32 else { throw .shortSecret(bytes: secret.count) }
    family = .hmac
    bits = secret.count * 8
    switch secret.count {
    case 64...: fitting = [.HS256, .HS384, .HS512]
    case 48...: fitting = [.HS256, .HS384]
    default: fitting = [.HS256]
    }
    material = Array(secret)
  }

  private init(pem: [UInt8], labels: [String]) throws(KeyError) {
    if labels.contains(where: { $0.hasSuffix("PRIVATE KEY") }) { throw .privateKey }
    if labels.contains("CERTIFICATE") {
      throw .otherForm("a certificate", remedy: "take its public key (openssl x509 -pubkey -noout)")
    }
    guard labels.count == 1 else { throw .severalKeys }
    guard let key = PublicKey(pem: pem), let normalized = key.pem else { throw .unreadable }
    bits = key.bits
    material = normalized
    switch key.kind {
    case EVP_PKEY_RSA:
      guard bits >= 2048 else { throw .shortModulus(bits: bits) }
      (family, fitting) = (.rsa, [.RS256, .RS384, .RS512])
    case EVP_PKEY_EC:
      switch key.group {
      case "prime256v1": (family, fitting) = (.ec(.p256), [.ES256])
      case "secp384r1": (family, fitting) = (.ec(.p384), [.ES384])
      case "secp521r1": (family, fitting) = (.ec(.p521), [.ES512])
      default: throw .unsupported("the curve \(key.group ?? "of this key")")
      }
    default:
      throw .unsupported("a key of the kind \(key.kindName)")
    }
  }
}

// Neither printing nor dumping a key, or something that has one, may show the secret.
extension VerificationKey: CustomStringConvertible, CustomReflectable {
  /// The kind and size of the key, such as `an RSA public key of 2048 bits`.
  public var description: String {
    switch family {
    case .hmac: "a secret of \(bits / 8) bytes"
    case .rsa: "an RSA public key of \(bits) bits"
    case .ec(let curve): "an EC public key on \(curve.rawValue)"
    }
  }

  public var customMirror: Mirror { Mirror(self, children: []) }
}

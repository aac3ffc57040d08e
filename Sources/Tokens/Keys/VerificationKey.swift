import CLibCrypto

/// The key that tokens are verified with: an RSA or EC public key, or an HMAC secret.
///
/// Which algorithms a token may use follows from the kind of key and not from the token, so that a public key never serves as an
/// HMAC secret (RFC 8725, section 3.1).
public struct VerificationKey: Sendable, Equatable {
  /// An elliptic curve, by its name in RFC 7518, section 3.4.
  public enum Curve: String, Sendable {
    case p256 = "P-256"
    case p384 = "P-384"
    case p521 = "P-521"

    /// Length of a coordinate, in bytes.
    var fieldLength: Int {
      switch self {
      case .p256: 32
      case .p384: 48
      case .p521: 66
      }
    }
  }

  /// The kind of a key.
  public enum Family: Sendable, Equatable {
    case hmac
    case rsa
    case ec(Curve)
    case ed25519
  }

  public let family: Family

  /// The algorithms that this key can verify. A secret fits those whose hash is no longer than itself (RFC 7518, section 3.2).
  public private(set) var fitting: Set<Algorithm>

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
      try self.init(secretFile: contents)
    }
  }

  private init(pem: [UInt8], labels: [String]) throws(KeyError) {
    if labels.contains(where: { $0.hasSuffix("PRIVATE KEY") }) { throw .privateKey }
    if labels.contains("CERTIFICATE") {
      throw .otherForm("a certificate", remedy: "take its public key (openssl x509 -pubkey -noout)")
    }
    guard labels.count == 1 else { throw .severalKeys }
    guard let key = PublicKey(pem: pem) else { throw .unreadable }
    try self.init(key)
  }

  private init(secretFile contents: [UInt8]) throws(KeyError) {
    var secret = contents[...]
    if secret.last == UInt8(ascii: "\n") { secret.removeLast() }
    if secret.count < contents.count, secret.last == UInt8(ascii: "\r") { secret.removeLast() }
    try self.init(secret: Array(secret))
  }

  init(secret: [UInt8]) throws(KeyError) {
    let algorithms: Set<Algorithm> =
      switch secret.count {
      case 64...: [.HS256, .HS384, .HS512]
      case 48...: [.HS256, .HS384]
      case 32...: [.HS256]
      default: throw .shortSecret(bytes: secret.count)
      }
    self.init(.hmac, fitting: algorithms, material: secret, bits: secret.count * 8)
  }

  init(_ key: PublicKey) throws(KeyError) {
    defer { ERR_clear_error() }
    let family: Family
    let algorithms: Set<Algorithm>
    switch key.kind {
    case EVP_PKEY_RSA:
      guard key.bits >= 2048 else { throw .shortModulus(bits: key.bits) }
      guard key.bits <= 16_384 else { throw .longModulus(bits: key.bits) }
      (family, algorithms) = (.rsa, [.RS256, .RS384, .RS512, .PS256, .PS384, .PS512])
    case EVP_PKEY_EC:
      switch key.group {
      case "prime256v1": (family, algorithms) = (.ec(.p256), [.ES256])
      case "secp384r1": (family, algorithms) = (.ec(.p384), [.ES384])
      case "secp521r1": (family, algorithms) = (.ec(.p521), [.ES512])
      default: throw .unsupported("the curve \(key.group ?? "of this key")")
      }
    case EVP_PKEY_ED25519 where Algorithm.available.contains(.EdDSA):
      (family, algorithms) = (.ed25519, [.EdDSA])
    default:
      throw .unsupported("a key of the kind \(key.kindName)")
    }
    guard key.isSound, let pem = key.pem else { throw .unreadable }
    self.init(family, fitting: algorithms.intersection(Algorithm.available), material: pem, bits: key.bits)
  }

  private init(_ family: Family, fitting: Set<Algorithm>, material: [UInt8], bits: Int) {
    (self.family, self.fitting, self.material, self.bits) = (family, fitting, material, bits)
  }

  /// Whether it is the same key, whatever each is for.
  func isSame(as other: VerificationKey) -> Bool { family == other.family && material == other.material }

  /// The same key for more algorithms; only those that another entry of it was found to fit.
  func extended(to algorithms: Set<Algorithm>) -> VerificationKey {
    var key = self
    key.fitting.formUnion(algorithms)
    return key
  }

  /// The same key for fewer algorithms.
  func restricted(to algorithms: Set<Algorithm>) -> VerificationKey {
    var key = self
    key.fitting.formIntersection(algorithms)
    return key
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
    case .ed25519: "an Ed25519 public key"
    }
  }

  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension [VerificationKey] {
  /// Each key once: trying it again costs, and says nothing new.
  var withoutRepetitions: [VerificationKey] {
    reduce(into: []) { kept, key in if !kept.contains(where: { $0.isSame(as: key) }) { kept.append(key) } }
  }
}

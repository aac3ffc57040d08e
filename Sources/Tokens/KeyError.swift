/// Why a key, or a choice of algorithms for it, cannot be used to verify tokens. The description is a sentence for whoever set it,
/// and holds nothing of the key.
public enum KeyError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A private key: verifying needs the public one, and the private one must not lie around.
  case privateKey
  /// A key in a form that is not read, which must not pass for a secret, since it is public.
  case otherForm(String, remedy: String)
  /// PEM that holds no readable public key.
  case unreadable
  /// More than one PEM block.
  case severalKeys
  /// A kind of public key that none of the algorithms uses.
  case unsupported(String)
  /// An RSA key under 2048 bits (RFC 7518, section 3.3).
  case shortModulus(bits: Int)
  /// A secret under 32 bytes (RFC 7518, section 3.2: as long as the hash at least).
  case shortSecret(bytes: Int)
  /// An algorithm that does not fit the key.
  case unfitting(Algorithm, key: String)
  /// An empty list of algorithms.
  case noAlgorithm

  public var description: String {
    switch self {
    case .privateKey: "this is a private key; give the public key (openssl pkey -pubout)"
    case .otherForm(let form, let remedy): "this is \(form), not a PEM public key; \(remedy)"
    case .unreadable: "this PEM text holds no readable public key (expected: BEGIN PUBLIC KEY)"
    case .severalKeys: "this PEM text holds more than one block; give one public key"
    case .unsupported(let kind): "\(kind) cannot verify tokens; use RSA, or EC with P-256, P-384 or P-521"
    case .shortModulus(let bits): "this RSA key has \(bits) bits; at least 2048 are needed"
    case .shortSecret(let bytes): "this secret has \(bytes) bytes; at least 32 are needed"
    case .unfitting(let algorithm, let key): "\(algorithm) does not fit \(key)"
    case .noAlgorithm: "no algorithm is allowed; name at least one"
    }
  }
}

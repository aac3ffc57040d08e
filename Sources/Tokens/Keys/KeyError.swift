/// Why a key, or a choice of algorithms for it, cannot be used to verify tokens. The description is a sentence for the administrator,
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
  /// An RSA key over 16384 bits, which libcrypto does not verify with.
  case longModulus(bits: Int)
  /// A secret under 32 bytes (RFC 7518, section 3.2: as long as the hash at least).
  case shortSecret(bytes: Int)
  /// An algorithm that does not fit the key.
  case unfitting(Algorithm, key: String)
  /// An algorithm that the linked libjwt does not have.
  case unavailable(Algorithm)
  /// An empty list of algorithms.
  case noAlgorithm
  /// A key that fits none of the algorithms that are allowed.
  case unused(key: String)
  /// More than ``TokenVerifier/maximumTrials`` keys for one algorithm, each of which every token would be tried against.
  case tooManyKeys(Algorithm)
  /// Neither a key nor a key set.
  case noKey
  /// A member of a JSON web key that is missing or not what RFC 7517 and RFC 7518 say.
  case invalidMember(String)
  /// A secret in a key set that others can fetch.
  case publicSecret
  /// Not a usable key set; with what is wrong.
  case keySet(String)
  /// A file that cannot be read; with why.
  case unreadableFile(String)
  /// Not a URL of a key set; with what is wrong.
  case url(String)

  public var description: String {
    switch self {
    case .privateKey: "this is a private key; give the public key (openssl pkey -pubout)"
    case .otherForm(let form, let remedy): "this is \(form), not a PEM public key; \(remedy)"
    case .unreadable: "this PEM text holds no readable public key (expected: BEGIN PUBLIC KEY)"
    case .severalKeys: "this PEM text holds more than one block; give one public key"
    case .unsupported(let kind): "\(kind) cannot verify tokens; use RSA, or EC with P-256, P-384 or P-521"
    case .shortModulus(let bits): "this RSA key has \(bits) bits; at least 2048 are needed"
    case .longModulus(let bits): "this RSA key has \(bits) bits; at most 16384 are allowed"
    case .shortSecret(let bytes): "this secret has \(bytes) bytes; at least 32 are needed"
    case .unfitting(let algorithm, let key): "\(algorithm) does not fit \(key)"
    case .unavailable(let algorithm): "the installed libjwt does not verify \(algorithm)"
    case .noAlgorithm: "no algorithm is allowed; allow at least one"
    case .unused(let key): "\(key) fits none of the algorithms that are allowed"
    case .tooManyKeys(let algorithm):
      "more than \(TokenVerifier.maximumTrials) keys fit \(algorithm); use a key set, whose keys have names (kid)"
    case .noKey: "there is neither a key nor a key set"
    case .invalidMember(let name): "its member '\(name)' is missing or wrong"
    case .publicSecret: "it is a secret (kty: oct), and others can read it there"
    case .keySet(let fault): "this key set cannot be used: \(fault)"
    case .unreadableFile(let reason): "the file cannot be read: \(reason)"
    case .url(let fault): "this is not a URL of a key set: \(fault)"
    }
  }
}

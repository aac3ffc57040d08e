import JSON

/// A key of a key set (RFC 7517, section 4).
struct JSONWebKey: Sendable, Equatable {
  /// `kid`.
  let id: String?
  let key: VerificationKey

  /// Reads one element of a set.
  /// - Parameter allowsSecrets: whether `kty: oct` is taken; in a set that anybody can fetch a secret is none.
  /// - Returns: nil if the key is of no use for tokens, by its purpose or its kind; a set may hold such keys (RFC 7517,
  ///   section 5).
  /// - Throws: a ``KeyError`` if it claims to be of use but must not be used.
  init?(_ members: [String: JSONValue], allowsSecrets: Bool) throws(KeyError) {
    // Programs write what a key has not as null, or as an empty list.
    let members = members.filter { $0.value != .null && $0.value != .array([]) }
    switch members["kid"] {
    case .string(let text): id = text
    case nil: id = nil
    default: throw .invalidMember("kid")
    }
    guard try Self.isForVerifying(members) else { return nil }
    guard let key = try Self.key(members, allowsSecrets: allowsSecrets) else { return nil }
    guard let wanted = members["alg"] else {
      self.key = key
      return
    }
    guard case .string(let name) = wanted else { throw .invalidMember("alg") }
    // A key for encryption names an algorithm for that, one for a later standard an unknown one.
    guard let algorithm = Algorithm(rawValue: name) else { return nil }
    guard key.fitting.contains(algorithm) else { throw .unfitting(algorithm, key: key.description) }
    self.key = key.restricted(to: [algorithm])
  }

  private init(id: String?, key: VerificationKey) { (self.id, self.key) = (id, key) }

  /// The same key, for what another entry of it is for too.
  func extended(by other: JSONWebKey) -> JSONWebKey {
    JSONWebKey(id: id, key: key.extended(to: other.key.fitting))
  }

  /// RFC 7517, sections 4.2 and 4.3.
  private static func isForVerifying(_ members: [String: JSONValue]) throws(KeyError) -> Bool {
    switch members["use"] {
    case nil, .string("sig"): break
    case .string: return false
    default: throw .invalidMember("use")
    }
    switch members["key_ops"] {
    case nil: return true
    case .array(let operations): return operations.contains(.string("verify"))
    default: throw .invalidMember("key_ops")
    }
  }

  /// RFC 7518, section 6, and RFC 8037, section 2.
  private static func key(_ members: [String: JSONValue], allowsSecrets: Bool) throws(KeyError) -> VerificationKey? {
    guard case .string(let kind) = members["kty"] else { throw .invalidMember("kty") }
    if kind == "oct" {
      guard allowsSecrets else { throw .publicSecret }
      return try VerificationKey(secret: bytes("k", of: members))
    }
    guard members["d"] == nil else { throw .privateKey }
    let der: [UInt8]
    switch kind {
    case "RSA":
      der = SubjectPublicKeyInfo.rsa(modulus: try bytes("n", of: members), exponent: try bytes("e", of: members))
    case "EC":
      guard let curve = curve(members) else { return nil }
      let length = curve.fieldLength
      der = SubjectPublicKeyInfo.ec(
        curve, x: try bytes("x", of: members, length), y: try bytes("y", of: members, length))
    case "OKP":
      guard members["crv"] == .string("Ed25519"), Algorithm.available.contains(.EdDSA) else { return nil }
      der = SubjectPublicKeyInfo.ed25519(try bytes("x", of: members, 32))
    default:
      return nil
    }
    guard let key = PublicKey(der: der) else { throw .unreadable }
    return try VerificationKey(key)
  }

  private static func curve(_ members: [String: JSONValue]) -> VerificationKey.Curve? {
    guard case .string(let name) = members["crv"] else { return nil }
    return VerificationKey.Curve(rawValue: name)
  }

  private static func bytes(
    _ name: String, of members: [String: JSONValue], _ length: Int? = nil
  ) throws(KeyError) -> [UInt8] {
    guard case .string(let text) = members[name], let bytes = Base64URL.decode(text.utf8), !bytes.isEmpty,
      length == nil || bytes.count == length
    else { throw .invalidMember(name) }
    return bytes
  }
}

import JSON

/// A token taken apart, strictly, before anything is verified.
struct TokenParts {
  /// The header's `alg` unchanged; nil if it is not a string.
  let algorithmName: String?
  /// The header's `kid`.
  let keyID: String?
  let claims: [String: JSONValue]

  var algorithm: Algorithm? { algorithmName.flatMap(Algorithm.init(rawValue:)) }

  /// Reads a token. Of the header only `alg`, `kid`, `typ` and `crit` are looked at: keys that a token brings along or
  /// points to (`jwk`, `jku`, `x5c`, `x5u`) are never used.
  init(_ token: String) throws(TokenError) {
    guard token.utf8.count <= TokenVerifier.maximumLength else { throw .tooLong }
    let parts = Array(token.utf8).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 3 else { throw .malformed("it does not consist of three parts") }

    let header = try Self.object(parts[0], "header")
    if let critical = header["crit"] { throw .critical(Self.names(in: critical)) }
    if let type = header["typ"] { try Self.check(type: type) }
    switch header["kid"] {
    case .string(let text) where text.utf8.count <= 256: keyID = text
    case nil: keyID = nil
    default: throw .malformed("its kid is not a string of at most 256 bytes")
    }
    if case .string(let name) = header["alg"] { algorithmName = name } else { algorithmName = nil }

    claims = try Self.object(parts[1], "payload")
    guard Base64URL.decode(parts[2]) != nil else { throw .malformed("its signature is not base64url") }
  }

  /// RFC 7515, section 4.1.9; RFC 9068, section 2.1.
  private static func check(type: JSONValue) throws(TokenError) {
    guard case .string(let name) = type else { throw .malformed("its typ is not a string") }
    let type = name.lowercased()
    let isTaken =
      switch type {
      case "jwt": true
      case "at+jwt", "application/jwt", "application/at+jwt": Signature.isCheckedForEveryType
      default: false
      }
    guard isTaken else { throw .type(TokenError.shown(type)) }
  }

  private static func object(_ part: ArraySlice<UInt8>, _ name: String) throws(TokenError) -> [String: JSONValue] {
    guard let bytes = Base64URL.decode(part) else { throw .malformed("its \(name) is not base64url") }
    do {
      return try JSONParser.object(bytes)
    } catch {
      throw .malformed("its \(name) is not a JSON object: \(error.message)")
    }
  }

  private static func names(in critical: JSONValue) -> String {
    guard case .array(let elements) = critical, !elements.isEmpty else { return "not a list of names" }
    return elements.prefix(5).map {
      if case .string(let name) = $0 { TokenError.shown(name) } else { TokenError.shown(nil) }
    }.joined(separator: ", ")
  }
}

import CLibCrypto
import CLibJWT

/// Signatures of tokens, which libjwt checks.
enum Signature {
  /// Whether a token is signed with a key. Takes some 400 µs for RSA and EC, since libjwt parses the key each time.
  /// - Parameters:
  ///   - token: read strictly before, as libjwt does not.
  ///   - algorithm: one that fits the key.
  static func isGood(_ token: String, key: VerificationKey, algorithm: Algorithm) -> Bool {
    var jwt: OpaquePointer?
    // What fails in libcrypto stays in this thread's error queue, where another user of it would stumble on it.
    defer { ERR_clear_error() }
    guard jwt_decode(&jwt, token, key.material, Int32(clamping: key.material.count)) == 0, let jwt else { return false }
    defer { jwt_free(jwt) }
    return jwt_get_alg(jwt) == algorithm.jwt
  }

  /// Whether the linked libjwt checks tokens of other types than `JWT`, access tokens (`at+jwt`, RFC 9068) for one. Its
  /// version 1.10 refuses them, whatever their signature, as a token signed with 32 zeros shows.
  static let isCheckedForEveryType: Bool = {
    let token = """
      eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30\
      .jFqYS5aSgrAADJ_mCKmu5EiANaT5L18bJDRwS6W31oc
      """
    var jwt: OpaquePointer?
    guard jwt_decode(&jwt, token, [UInt8](repeating: 0, count: 32), 32) == 0 else { return false }
    jwt_free(jwt)
    return true
  }()
}

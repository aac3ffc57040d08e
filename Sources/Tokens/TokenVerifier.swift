import CLibCrypto
import CLibJWT
import Foundation

/// Verifies bearer tokens: signed JWTs in the compact form (RFC 7519 with RFC 7515 and the advice of RFC 8725).
///
/// libjwt checks signatures. It is given only what was read strictly before, for by itself it lets the token choose the algorithm,
/// takes sloppy base64url, and looks at neither `exp` nor `crit`. It also parses the key on each call (some 400 µs with RSA), so
/// tokens found good are remembered, by their digest.
///
/// ```swift
/// let verifier = try TokenVerifier(key: VerificationKey(contents: pem), algorithms: [.RS256])
/// let user = try verifier.verify(token).string("email")
/// ```
///
/// It may be used from any number of threads at once.
public final class TokenVerifier: Sendable {
  /// The longest token read, in bytes.
  public static let maximumLength = 16_384

  private let key: VerificationKey
  private let algorithms: Set<Algorithm>
  private let leeway: TimeInterval
  private let cache: TokenCache

  /// Makes a verifier for one key.
  /// - Parameters:
  ///   - key: the key.
  ///   - algorithms: the algorithms a token may use; each must fit the key.
  ///   - leeway: how far the clocks of the issuer and of this machine may differ.
  /// - Throws: a ``KeyError`` naming an algorithm that does not fit the key.
  public convenience init(
    key: VerificationKey, algorithms: [Algorithm], leeway: Duration = .seconds(30)
  ) throws(KeyError) {
    try self.init(key: key, algorithms: algorithms, leeway: leeway, cacheCapacity: 10_000)
  }

  /// - Parameter cacheCapacity: how many tokens are remembered at most.
  init(key: VerificationKey, algorithms: [Algorithm], leeway: Duration, cacheCapacity: Int) throws(KeyError) {
    guard !algorithms.isEmpty else { throw .noAlgorithm }
    for algorithm in algorithms where !key.fitting.contains(algorithm) {
      throw .unfitting(algorithm, key: key.description)
    }
    self.key = key
    self.algorithms = Set(algorithms)
    self.leeway = max(0, leeway / .seconds(1))
    cache = TokenCache(capacity: cacheCapacity)
  }

  /// The claims of a token that was verified before and has not reached its `exp`; nil says nothing of the token.
  ///
  /// Takes about a microsecond, whatever the algorithm.
  public func cached(_ token: String, now: Date) -> Claims? {
    guard token.utf8.count <= Self.maximumLength, let digest = TokenDigest(token), let claims = cache[digest],
      now < claims.expiresAt, isTimely(claims, now: now)
    else { return nil }
    return claims
  }

  /// Verifies a token, or remembers that it did.
  ///
  /// The signature is checked before the times, so that only the issuer's own tokens are called expired.
  /// - Parameters:
  ///   - token: the token alone, without `Bearer`.
  ///   - now: the time to hold `exp`, `nbf` and `iat` against.
  public func verify(_ token: String, now: Date = Date()) throws(TokenError) -> Claims {
    if let claims = cached(token, now: now) { return claims }
    let parts = try TokenParts(token)
    guard let algorithm = parts.algorithm, algorithms.contains(algorithm) else {
      throw .algorithm(TokenError.shown(parts.algorithmName))
    }
    guard isSigned(token, with: algorithm) else { throw .signature }
    let claims = try Claims(parts.claims)
    try checkTimes(claims, now: now)
    if let digest = TokenDigest(token) { cache.insert(claims, for: digest) }
    return claims
  }

  private func checkTimes(_ claims: Claims, now: Date) throws(TokenError) {
    // RFC 7519, section 4.1.4: a token is good before the instant of exp, not at it.
    guard now < claims.expiresAt + leeway else { throw .expired(claims.expiresAt) }
    if let notBefore = claims.notBefore, now < notBefore - leeway { throw .notYetValid(notBefore) }
    if let issuedAt = claims.issuedAt, now < issuedAt - leeway { throw .issuedInFuture }
  }

  private func isTimely(_ claims: Claims, now: Date) -> Bool {
    (try? checkTimes(claims, now: now)) != nil
  }

  private func isSigned(_ token: String, with algorithm: Algorithm) -> Bool {
    var jwt: OpaquePointer?
    // What fails in libcrypto stays in this thread's error queue, where another user of it would stumble on it.
    defer { ERR_clear_error() }
    guard jwt_decode(&jwt, token, key.material, Int32(clamping: key.material.count)) == 0, let jwt else { return false }
    defer { jwt_free(jwt) }
    return jwt_get_alg(jwt) == algorithm.jwt
  }
}

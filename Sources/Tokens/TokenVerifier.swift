import Foundation
import Synchronization

/// Verifies bearer tokens: signed JWTs in the compact form (RFC 7519 with RFC 7515 and the advice of RFC 8725).
///
/// libjwt checks signatures. It is given only what was read strictly before, for by itself it lets the token choose the algorithm,
/// takes sloppy base64url, and looks at neither `exp` nor `crit`. It also parses the key on each call (some 400 µs with RSA), so
/// tokens found good are remembered, by their digest.
///
/// ```swift
/// var rules = TokenVerifier.Rules()
/// rules.issuer = "https://login.example.org"
/// let verifier = try TokenVerifier(keys: [VerificationKey(contents: pem)], rules: rules)
/// let user = try await verifier.verify(token).string("email")
/// ```
///
/// It may be used from any number of threads at once.
public final class TokenVerifier: Sendable {
  /// How a token is judged beside its signature.
  public struct Rules: Sendable {
    /// The algorithms a token may use; nil: every one that fits a key.
    public var algorithms: Set<Algorithm>?
    /// What `iss` must be, exactly; nil: anything.
    public var issuer: String?
    /// What `aud` must be, or hold if it is a list; nil: anything.
    public var audience: String?
    /// How far the clocks of the issuer and of this machine may differ.
    public var leeway: Duration = .seconds(30)

    public init() {}
  }

  /// The longest token read, in bytes.
  public static let maximumLength = 16_384

  /// How many keys without a name a token is tried against at most.
  static let maximumTrials = 4

  /// Keys without names, and how often they were replaced.
  private struct OwnKeys {
    var keys: [VerificationKey]
    var edition = 0
  }

  private let own: Mutex<OwnKeys>
  private let keySet: KeySetSource?
  private let rules: Rules
  private let leeway: TimeInterval
  let cache: TokenCache
  let queue = SignatureQueue()

  /// - Parameters:
  ///   - keys: keys without names: every token whose algorithm fits is tried against them.
  ///   - keySet: keys with names. To be started by the caller.
  ///   - rules: what else a token must fulfil.
  /// - Throws: a ``KeyError`` for keys and algorithms that do not fit each other.
  public convenience init(
    keys: [VerificationKey], keySet: KeySetSource? = nil, rules: Rules = Rules()
  ) throws(KeyError) {
    try self.init(keys: keys, keySet: keySet, rules: rules, cacheCapacity: 10_000)
  }

  /// - Parameter cacheCapacity: how many tokens are remembered at most.
  init(keys: [VerificationKey], keySet: KeySetSource?, rules: Rules, cacheCapacity: Int) throws(KeyError) {
    own = Mutex(OwnKeys(keys: try Self.usable(keys, by: rules, isOnlyThem: keySet == nil)))
    self.keySet = keySet
    self.rules = rules
    leeway = max(0, rules.leeway / .seconds(1))
    cache = TokenCache(capacity: cacheCapacity)
  }

  /// Takes other keys without names in place of those it has, and forgets all tokens.
  /// - Throws: a ``KeyError`` as when it was made; then nothing changes.
  public func replaceKeys(by keys: [VerificationKey]) throws(KeyError) {
    let keys = try Self.usable(keys, by: rules, isOnlyThem: keySet == nil)
    own.withLock { $0 = OwnKeys(keys: keys, edition: $0.edition + 1) }
  }

  /// The keys, each for the algorithms that the rules allow.
  private static func usable(
    _ given: [VerificationKey], by rules: Rules, isOnlyThem: Bool
  ) throws(KeyError) -> [VerificationKey] {
    guard !given.isEmpty || !isOnlyThem else { throw .noKey }
    let keys = given.withoutRepetitions
    if let algorithms = rules.algorithms { try check(algorithms, fit: keys, isOnlyThem: isOnlyThem) }
    let usable = keys.map { key in rules.algorithms.map { key.restricted(to: $0) } ?? key }
    for algorithm in Algorithm.available
    where usable.count(where: { $0.fitting.contains(algorithm) }) > maximumTrials {
      throw .tooManyKeys(algorithm)
    }
    return usable
  }

  private static func check(
    _ algorithms: Set<Algorithm>, fit keys: [VerificationKey], isOnlyThem: Bool
  ) throws(KeyError) {
    guard !algorithms.isEmpty else { throw .noAlgorithm }
    for algorithm in algorithms.sorted(by: { $0.rawValue < $1.rawValue }) {
      guard Algorithm.available.contains(algorithm) else { throw .unavailable(algorithm) }
      guard !isOnlyThem || keys.contains(where: { $0.fitting.contains(algorithm) }) else {
        throw .unfitting(algorithm, key: keys.map(\.description).joined(separator: ", "))
      }
    }
    if let key = keys.first(where: { $0.fitting.isDisjoint(with: algorithms) }) {
      throw .unused(key: key.description)
    }
  }

  /// Warnings for the administrator, one sentence each: that the key set is an old one, for example.
  public var warnings: [String] { keySet?.warnings ?? [] }

  /// The claims of a token that was verified before and has not reached its `exp`; nil says nothing of the token.
  ///
  /// Takes about a microsecond, whatever the algorithm.
  public func cached(_ token: String, now: Date) -> Claims? {
    guard token.utf8.count <= Self.maximumLength, let digest = TokenDigest(token),
      let claims = cache.claims(of: digest, edition: own.withLock(\.edition) + (keySet?.edition ?? 0)),
      now < claims.expiresAt, isTimely(claims, now: now)
    else { return nil }
    return claims
  }

  /// Verifies a token, or remembers that it did.
  ///
  /// Cheap checks come first; the signature is checked on a queue of its own. The signature comes before times,
  /// issuer and audience, so that only the issuer's own tokens are called expired. With an unknown `kid` it may wait some
  /// seconds for the key set to be fetched again.
  /// - Parameters:
  ///   - token: the token alone, without `Bearer`.
  ///   - now: the time to hold `exp`, `nbf` and `iat` against.
  ///   - isSuspect: whether it comes from where bad tokens came from lately: then it waits behind the others.
  public func verify(
    _ token: String, now: Date = Date(), isSuspect: Bool = false
  ) async throws(TokenError) -> Claims {
    if let claims = cached(token, now: now) { return claims }
    let parts = try TokenParts(token)
    let claims = try Claims(parts.claims)
    let edition = try await check(token, parts, isSuspect)
    try checkTimes(claims, now: now)
    if let issuer = rules.issuer, claims.issuer?.isSameText(as: issuer) != true { throw .issuer }
    if let audience = rules.audience, try !claims.isMeant(for: audience) { throw .audience }
    if let digest = TokenDigest(token) { cache.insert(claims, for: digest, edition: edition) }
    return claims
  }

  /// Checks the signature.
  /// - Returns: the edition of the keys that it was checked against.
  private func check(_ token: String, _ parts: TokenParts, _ isSuspect: Bool) async throws(TokenError) -> Int {
    let own = own.withLock { $0 }
    guard let algorithm = parts.algorithm, isAllowed(algorithm, own.keys) else {
      throw .algorithm(TokenError.shown(parts.algorithmName))
    }
    func isSigned(with keys: [VerificationKey]) async throws(TokenError) -> Bool {
      try await queue.isSigned(token, with: keys, algorithm, isSuspect: isSuspect)
    }
    let fitting = own.keys.filter { $0.fitting.contains(algorithm) }
    guard let keySet else {
      guard try await isSigned(with: fitting) else { throw .signature }
      return own.edition
    }
    let (set, edition) = keySet.current
    if try await isSigned(with: Self.candidates(fitting, set, parts, algorithm)) { return own.edition + edition }
    let isMissing = keySet.mayHold(algorithm) && !set.knows(parts.keyID)
    guard isMissing else { throw refusal(of: parts, algorithm, by: set) }
    try await keySet.refresh()
    let (newSet, newEdition) = keySet.current
    if newEdition != edition, try await isSigned(with: newSet.keys(named: parts.keyID, for: algorithm)) {
      return own.edition + newEdition
    }
    throw refusal(of: parts, algorithm, by: newSet)
  }

  /// The keys that a token may be signed with: the one of the set that it names, else those without a name and those of the
  /// set that come into question; the former alone if all together are too many to be tried.
  private static func candidates(
    _ own: [VerificationKey], _ set: KeySet, _ parts: TokenParts, _ algorithm: Algorithm
  ) -> [VerificationKey] {
    let others = set.keys(named: parts.keyID, for: algorithm)
    if parts.keyID != nil, set.knows(parts.keyID), !others.isEmpty { return others }
    let all = (own + others).withoutRepetitions
    return all.count <= maximumTrials ? all : own
  }

  /// Why a token is refused that no key fits.
  private func refusal(of parts: TokenParts, _ algorithm: Algorithm, by set: KeySet) -> TokenError {
    if !set.keys(named: parts.keyID, for: algorithm).isEmpty { return .signature }
    guard keySet?.mayHold(algorithm) == true else { return .signature }
    // A key of that name is there, but for other algorithms.
    if parts.keyID != nil, set.knows(parts.keyID) { return .algorithm(TokenError.shown(parts.algorithmName)) }
    return .unknownKey
  }

  private func isAllowed(_ algorithm: Algorithm, _ keys: [VerificationKey]) -> Bool {
    guard Algorithm.available.contains(algorithm), rules.algorithms?.contains(algorithm) != false else { return false }
    return keys.contains { $0.fitting.contains(algorithm) } || keySet?.mayHold(algorithm) == true
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
}

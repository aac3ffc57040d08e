import CLibCrypto
import Foundation
import Synchronization
import Tokens

/// Tells who sends a request from its Authorization field: the service key by HTTP Basic (RFC 7617), or a bearer token
/// (RFC 6750, section 2.1). Tokens in a form or in the query are ignored.
///
/// ```swift
/// let authenticator = Authenticator(
///   serviceKeys: ["upstream:password"], verifier: verifier, userClaim: "email", adminClaim: ("groups", "weir-admins"))
/// let caller = try await authenticator.caller(authorization: "Bearer eyJ...")
/// ```
public struct Authenticator: Sendable {
  /// The longest Authorization field that is read, in bytes: the longest token, its scheme and a blank.
  static let maximumLength = TokenVerifier.maximumLength + "Bearer ".utf8.count

  /// Calls without credentials are served, and served everything.
  public let isOpen: Bool

  private let serviceKeys: ServiceKeys
  private let verifier: TokenVerifier?
  private let userClaim: String
  private let adminClaim: (name: String, value: String)?

  /// - Parameters:
  ///   - serviceKeys: `user:password` pairs, each of which is the upstream: the old and the new one, while it changes.
  ///   - verifier: checks bearer tokens; nil when none are taken.
  ///   - userClaim: the claim that names the user, `email` for example.
  ///   - adminClaim: the claim that makes a token an administrator's: a string that is the value, or an array of
  ///     strings, as of groups, that holds it. Nil: no token is an administrator's.
  ///   - open: whether calls are served without credentials, and served everything.
  public init(
    serviceKeys: [String], verifier: TokenVerifier?, userClaim: String,
    adminClaim: (name: String, value: String)? = nil, open: Bool = false
  ) {
    self.serviceKeys = ServiceKeys(serviceKeys)
    self.verifier = verifier
    self.userClaim = userClaim
    self.adminClaim = adminClaim
    isOpen = open
  }

  /// Whether bearer tokens can be checked at all.
  public var checksTokens: Bool { verifier != nil }

  /// Whether there is a service key.
  var takesServiceKeys: Bool { !serviceKeys.plain.isEmpty }

  /// From now on these are the service keys, and no others.
  public func replaceServiceKeys(by keys: [String]) { serviceKeys.replace(by: keys) }

  /// Who sends a request with this Authorization field, if that is known without verifying a signature; nil says
  /// nothing of the credentials. Takes a microsecond or two: for event loops.
  public func known(authorization: String?, now: Date = Date()) -> Caller? {
    if isOpen { return .anybody }
    guard var field = authorization, field.utf8.count <= Self.maximumLength else { return nil }
    if field.withUTF8({ Self.isOne(of: serviceKeys.fields, UnsafeRawBufferPointer($0)) }) { return .service }
    switch try? Credentials(field) {
    case .basic(let sent): return isServiceKey(sent) ? .service : nil
    case .bearer(let token): return verifier?.cached(token, now: now).flatMap { try? caller($0) }
    case nil: return nil
    }
  }

  /// Who sends a request with this Authorization field.
  /// - Parameter isSuspect: whether it comes from where wrong credentials came from lately.
  /// - Throws: a ``Refusal``, with the reason fit for the sender.
  public func caller(
    authorization: String?, now: Date = Date(), isSuspect: Bool = false
  ) async throws(Refusal) -> Caller {
    if let known = known(authorization: authorization, now: now) { return known }
    guard let authorization else { throw .noCredentials }
    switch try Credentials(authorization) {
    case .basic(let sent):
      guard isServiceKey(sent) else { throw .wrongKey }
      return .service
    case .bearer(let token):
      return try caller(try await claims(of: token, now: now, isSuspect))
    }
  }

  /// The user whom a bearer token names.
  /// - Throws: a ``Refusal``, with the reason fit for the sender.
  public func owner(
    ofToken token: String, now: Date = Date(), isSuspect: Bool = false
  ) async throws(Refusal) -> String {
    try name(try await claims(of: token, now: now, isSuspect))
  }

  private func claims(of token: String, now: Date, _ isSuspect: Bool) async throws(Refusal) -> Claims {
    guard let verifier else { throw .tokensNotTaken }
    do { return try await verifier.verify(token, now: now, isSuspect: isSuspect) } catch { throw Refusal(error) }
  }

  private func caller(_ claims: Claims) throws(Refusal) -> Caller {
    let name = try name(claims)
    guard let adminClaim else { return .user(name) }
    let isAdmin = claims.strings(adminClaim.name).contains { $0.utf8.elementsEqual(adminClaim.value.utf8) }
    return isAdmin ? .admin(name) : .user(name)
  }

  private func name(_ claims: Claims) throws(Refusal) -> String {
    guard let name = claims.string(userClaim), Caller.canBeNamed(name) else { throw .noUser(claim: userClaim) }
    return name
  }

  private func isServiceKey(_ sent: [UInt8]) -> Bool {
    sent.withUnsafeBytes { Self.isOne(of: serviceKeys.plain, $0) }
  }

  /// All are compared, in a time that depends on the lengths alone: it tells nothing of which one fits, or how nearly.
  private static func isOne(of known: [[UInt8]], _ sent: UnsafeRawBufferPointer) -> Bool {
    known.reduce(false) { found, key in
      (key.count == sent.count && CRYPTO_memcmp(key, sent.baseAddress, key.count) == 0) || found
    }
  }
}

/// The service keys in force.
private final class ServiceKeys: Sendable {
  private let state: Mutex<(plain: [[UInt8]], fields: [[UInt8]])>

  init(_ keys: [String]) { state = Mutex(Self.forms(of: keys)) }

  var plain: [[UInt8]] { state.withLock { $0.plain } }
  /// The whole Authorization field for each, as nearly every client writes it.
  var fields: [[UInt8]] { state.withLock { $0.fields } }

  func replace(by keys: [String]) {
    let forms = Self.forms(of: keys)
    state.withLock { $0 = forms }
  }

  private static func forms(of keys: [String]) -> (plain: [[UInt8]], fields: [[UInt8]]) {
    // A key without a user or a password is not a secret.
    let keys = keys.filter { key in
      let colon = key.utf8.firstIndex(of: UInt8(ascii: ":"))
      return colon.map { $0 != key.utf8.startIndex && key.utf8.index(after: $0) != key.utf8.endIndex } ?? false
    }
    return (
      keys.map { Array($0.utf8) }, keys.map { Array("Basic \(Data($0.utf8).base64EncodedString())".utf8) }
    )
  }
}

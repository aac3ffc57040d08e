import CLibCrypto
import Foundation

/// Whoever a request was authenticated as.
public enum Caller: Sendable, Equatable {
  /// The upstream platform: all jobs.
  case service
  /// The holder of a valid token: the jobs of that owner.
  case user(String)
  /// Anybody, where authentication is switched off: all jobs.
  case anybody

  /// The name under which what it does is recorded.
  public var name: String {
    switch self {
    case .service: "service"
    case .user(let owner): owner
    case .anybody: "anybody"
    }
  }

  /// Whether it may see and touch the jobs of an owner.
  public func mayAccess(jobsOf owner: String) -> Bool {
    if case .user(let name) = self { return name == owner }
    return true
  }
}

/// Tells who sends a request from its Authorization header: the service key by HTTP Basic (RFC 7617), or a bearer token
/// (RFC 6750).
public struct Authenticator: Sendable {
  private let serviceKeys: [[UInt8]]
  /// The whole header of each service key, as every client writes it.
  private let serviceHeaders: [[UInt8]]
  private let verifier: TokenVerifier?
  private let userClaim: String
  private let open: Bool

  /// - Parameters:
  ///   - serviceKeys: `user:password` pairs, each of which is the upstream.
  ///   - verifier: checks bearer tokens; nil when none are taken.
  ///   - userClaim: the claim that names the user, `email` for example.
  ///   - open: whether calls without credentials are served, and served everything.
  public init(serviceKeys: [String], verifier: TokenVerifier?, userClaim: String, open: Bool) {
    self.serviceKeys = serviceKeys.map { Array($0.utf8) }
    serviceHeaders = serviceKeys.map { Array("Basic \(Data($0.utf8).base64EncodedString())".utf8) }
    self.verifier = verifier
    self.userClaim = userClaim
    self.open = open
  }

  /// Why a request is served by nobody.
  public enum Refusal: Error, Sendable, CustomStringConvertible {
    case missing
    case scheme
    case wrongKey
    case token(TokenError)
    case claim(String)

    public var description: String {
      switch self {
      case .missing: "this call needs an Authorization header"
      case .scheme: "the Authorization header is neither Basic nor Bearer, or it cannot be read"
      case .wrongKey: "the service key is wrong"
      case .token(let error): error.description
      case .claim(let claim): "the token has no text in its claim '\(claim)', which names the user"
      }
    }
  }

  /// Who sends a request with this Authorization header.
  public func caller(authorization: String?, now: Date = Date()) throws(Refusal) -> Caller {
    if open { return .anybody }
    guard let authorization else { throw .missing }
    if Self.isOne(of: serviceHeaders, Array(authorization.utf8)) { return .service }
    let parts = authorization.split(separator: " ", maxSplits: 1)
    guard parts.count == 2 else { throw .scheme }
    switch parts[0].lowercased() {
    case "basic":
      guard let sent = Data(base64Encoded: String(parts[1])) else { throw .scheme }
      guard Self.isOne(of: serviceKeys, [UInt8](sent)) else { throw .wrongKey }
      return .service
    case "bearer":
      return .user(try owner(ofToken: String(parts[1]), now: now))
    default:
      throw .scheme
    }
  }

  /// Whether bearer tokens can be checked at all.
  public var checksTokens: Bool { verifier != nil }

  /// The user whom a bearer token names.
  public func owner(ofToken token: String, now: Date = Date()) throws(Refusal) -> String {
    guard let verifier else { throw .scheme }
    let claims: Claims
    do throws(TokenError) {
      if let known = verifier.cached(token, now: now) {
        claims = known
      } else {
        claims = try verifier.verify(token, now: now)
      }
    } catch {
      throw .token(error)
    }
    guard let owner = claims.string(userClaim), !owner.isEmpty else { throw .claim(userClaim) }
    return owner
  }

  /// All are compared, so that the time tells nothing of which one fits.
  private static func isOne(of known: [[UInt8]], _ sent: [UInt8]) -> Bool {
    known.reduce(false) { equal($1, sent) || $0 }
  }

  /// Compares in a time that depends on the lengths alone.
  private static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
  }
}

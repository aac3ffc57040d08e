import Foundation

/// Why a token is refused. Neither the code nor the description holds any part of the token beyond a short printable name.
public enum TokenError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Not a JWT in the compact form, strictly read (RFC 7515, section 3.1; RFC 7519, section 3); with what is wrong.
  case malformed(String)
  /// Signed with an algorithm that is not allowed; with its name.
  case algorithm(String)
  /// The signature does not match.
  case signature
  /// Past its `exp` (RFC 7519, section 4.1.4).
  case expired(Date)
  /// Before its `nbf` (RFC 7519, section 4.1.5).
  case notYetValid(Date)
  /// Without `exp`.
  case missingExpiry
  /// With an `iat` that is still to come (RFC 7519, section 4.1.6).
  case issuedInFuture
  /// With header parameters that must be understood and are not (RFC 7515, section 4.1.11); with their names.
  case critical(String)
  /// Over ``TokenVerifier/maximumLength`` bytes.
  case tooLong

  /// A stable word for programs.
  public var code: String {
    switch self {
    case .malformed: "token_malformed"
    case .algorithm: "token_algorithm"
    case .signature: "token_signature"
    case .expired: "token_expired"
    case .notYetValid: "token_not_yet_valid"
    case .missingExpiry: "token_missing_expiry"
    case .issuedInFuture: "token_issued_in_future"
    case .critical: "token_critical"
    case .tooLong: "token_too_long"
    }
  }

  /// A sentence for the sender.
  public var description: String {
    switch self {
    case .malformed(let what): "the token is malformed: \(what)"
    case .algorithm(let name): "the token's algorithm (alg: \(name)) is not allowed here"
    case .signature: "the token's signature does not match"
    case .expired(let date): "the token expired at \(date.ISO8601Format())"
    case .notYetValid(let date): "the token is not valid before \(date.ISO8601Format())"
    case .missingExpiry: "the token has no expiry (exp)"
    case .issuedInFuture: "the token was issued in the future (iat); compare the clocks"
    case .critical(let names): "the token demands extensions that are not supported (crit: \(names))"
    case .tooLong: "the token is longer than \(TokenVerifier.maximumLength) bytes"
    }
  }

  /// A name out of a token as it may be shown: itself while it is short and plain.
  static func shown(_ name: String?) -> String {
    guard let name, (1...32).contains(name.utf8.count) else { return "unknown" }
    let isPlain = name.utf8.allSatisfy {
      switch $0 {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    return isPlain ? name : "unknown"
  }
}

import Foundation

/// Why a token is refused. Neither the code nor the description holds any part of the token beyond a short printable name.
public enum TokenError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Not a JWT in the compact form, strictly read (RFC 7515, section 3.1; RFC 7519, section 3); with what is wrong.
  case malformed(String)
  /// Of a type (`typ`) that is not taken; with its name. `at+jwt` is taken if the linked libjwt takes it.
  case type(String)
  /// Signed with an algorithm that is not allowed, or that the key it names is not for; with its name.
  case algorithm(String)
  /// Signed with a key that is not known here.
  case unknownKey
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
  /// From another issuer (`iss`), or from none.
  case issuer
  /// For others (`aud`), or for nobody.
  case audience
  /// With header parameters that must be understood and are not (RFC 7515, section 4.1.11); with their names.
  case critical(String)
  /// Over ``TokenVerifier/maximumLength`` bytes.
  case tooLong
  /// Not checked, since too many tokens wait already: it may be sent again.
  case busy

  /// A stable word for each, for programs and the labels of metrics.
  public enum Reason: String, Sendable, CaseIterable {
    case malformed, expired, busy
    case unsupportedType = "unsupported_type"
    case wrongAlgorithm = "wrong_algorithm"
    case unknownKey = "unknown_key"
    case badSignature = "bad_signature"
    case notYetValid = "not_yet_valid"
    case missingExpiry = "missing_expiry"
    case issuedInFuture = "issued_in_future"
    case wrongIssuer = "wrong_issuer"
    case wrongAudience = "wrong_audience"
    case criticalHeader = "critical_header"
    case tooLong = "too_long"
  }

  public var reason: Reason {
    switch self {
    case .malformed: .malformed
    case .type: .unsupportedType
    case .algorithm: .wrongAlgorithm
    case .unknownKey: .unknownKey
    case .signature: .badSignature
    case .expired: .expired
    case .notYetValid: .notYetValid
    case .missingExpiry: .missingExpiry
    case .issuedInFuture: .issuedInFuture
    case .issuer: .wrongIssuer
    case .audience: .wrongAudience
    case .critical: .criticalHeader
    case .tooLong: .tooLong
    case .busy: .busy
    }
  }

  /// A sentence for the sender.
  public var description: String {
    switch self {
    case .malformed(let what): "the token is malformed: \(what)"
    case .type("at+jwt"):
      "access tokens with typ: at+jwt cannot be checked by the installed libjwt, those with typ: JWT can"
    case .type(let name): "tokens of the type \(name) are not taken here (typ: JWT is)"
    case .algorithm(let name): "the token's algorithm (alg: \(name)) is not allowed here"
    case .unknownKey: "the token is signed with a key that is not known here (kid)"
    case .signature: "the token's signature does not match"
    case .expired(let date): "the token expired at \(date.ISO8601Format())"
    case .notYetValid(let date): "the token is not valid before \(date.ISO8601Format())"
    case .missingExpiry: "the token has no expiry (exp)"
    case .issuedInFuture: "the token was issued in the future (iat); compare the clocks"
    case .issuer: "the token is from another issuer (iss) than the one trusted here"
    case .audience: "the token is meant for others (aud)"
    case .critical(let names): "the token demands extensions that are not supported (crit: \(names))"
    case .tooLong: "the token is longer than \(TokenVerifier.maximumLength) bytes"
    case .busy: "too many tokens are being checked; try again in a moment"
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

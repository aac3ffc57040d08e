import Foundation
import JSON

/// What a verified token says.
public struct Claims: Sendable {
  /// `exp`.
  public let expiresAt: Date
  /// `nbf`.
  public let notBefore: Date?
  /// `iat`.
  public let issuedAt: Date?
  /// `sub`.
  public let subject: String?

  let members: [String: JSONValue]

  /// A claim that is a string, such as `email`; nil if there is none of that name or it is no string.
  public func string(_ name: String) -> String? {
    if case .string(let text) = members[name] { text } else { nil }
  }

  init(_ members: [String: JSONValue]) throws(TokenError) {
    guard let expiresAt = try Self.date("exp", in: members) else { throw .missingExpiry }
    self.expiresAt = expiresAt
    notBefore = try Self.date("nbf", in: members)
    issuedAt = try Self.date("iat", in: members)
    switch members["sub"] {
    case .string(let text): subject = text
    case nil: subject = nil
    default: throw .malformed("sub is not a string")
    }
    self.members = members
  }

  /// A NumericDate (RFC 7519, section 2): seconds since 1970, fractions allowed.
  private static func date(_ name: String, in members: [String: JSONValue]) throws(TokenError) -> Date? {
    guard let value = members[name] else { return nil }
    // Up to the year 9999; above are times in milliseconds by mistake, and dates that calendars choke on.
    guard case .number(let seconds) = value, (0..<253_402_300_800).contains(seconds) else {
      throw .malformed("\(name) is not a time in seconds since 1970")
    }
    return Date(timeIntervalSince1970: seconds)
  }
}

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
  /// `iss`.
  public let issuer: String?

  let members: [String: JSONValue]

  /// A claim that is a string, such as `email`; nil if there is none of that name or it is not a string.
  public func string(_ name: String) -> String? {
    if case .string(let text) = members[name] { text } else { nil }
  }

  init(_ members: [String: JSONValue]) throws(TokenError) {
    guard let expiresAt = try Self.date("exp", in: members) else { throw .missingExpiry }
    self.expiresAt = expiresAt
    notBefore = try Self.date("nbf", in: members)
    issuedAt = try Self.date("iat", in: members)
    subject = try Self.text("sub", in: members)
    issuer = try Self.text("iss", in: members)
    self.members = members
  }

  /// Whether `aud`, a string or an array of strings, names this audience (RFC 7519, section 4.1.3).
  func isMeant(for audience: String) throws(TokenError) -> Bool {
    let malformed = TokenError.malformed("aud is neither a string nor a list of strings")
    switch members["aud"] {
    case nil: return false
    case .string(let text): return text.isSameText(as: audience)
    case .array(let elements):
      var isNamed = false
      for element in elements {
        guard case .string(let text) = element else { throw malformed }
        isNamed = isNamed || text.isSameText(as: audience)
      }
      return isNamed
    default: throw malformed
    }
  }

  private static func text(_ name: String, in members: [String: JSONValue]) throws(TokenError) -> String? {
    switch members[name] {
    case .string(let text): return text
    case nil: return nil
    default: throw .malformed("\(name) is not a string")
    }
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

extension String {
  /// Equal code point by code point (RFC 7519, section 7.3), where `==` takes other spellings of a letter for the same.
  func isSameText(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

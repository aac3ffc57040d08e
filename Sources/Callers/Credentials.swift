import Foundation

/// What an Authorization field holds: `scheme SP credentials` (RFC 9110, section 11.6.2).
enum Credentials {
  /// The user and the password with a colon between, decoded (RFC 7617, section 2).
  case basic([UInt8])
  case bearer(String)

  init(_ field: String) throws(Refusal) {
    guard field.utf8.count <= Authenticator.maximumLength else { throw .tooLong }
    guard field.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else { throw .unreadable }
    let parts = field.split(separator: " ", maxSplits: 1)
    let credentials = parts.count == 2 ? parts[1].drop { $0 == " " } : ""
    switch parts.first?.lowercased() {
    case "basic":
      guard !credentials.isEmpty, let decoded = Data(base64Encoded: String(credentials)) else { throw .unreadable }
      self = .basic([UInt8](decoded))
    case "bearer":
      guard !credentials.isEmpty else { throw .unreadable }
      self = .bearer(String(credentials))
    case nil: throw .unreadable
    default: throw .unknownScheme
    }
  }
}

import Foundation

/// What a job carries in the backend: by it the job is known as ours when the answer to its submit was lost, and as
/// whose when the store was.
///
/// Its text is `<token>`, or `<token>:<number>:<owner>:<content>:<seal>` with the owner percent-encoded. It consists of
/// characters that need no quoting anywhere, and holds nothing secret: every user of the cluster may see it.
public struct Mark: Sendable, Equatable, CustomStringConvertible {
  /// The submission token.
  public let token: String
  /// Whose job it is; nil where Weir adopts nothing.
  public let claim: Claim?

  public struct Claim: Sendable, Equatable {
    public let number: Int
    public let owner: String
    /// A keyed digest of everything that was asked.
    public let content: String
    /// A keyed digest of all the rest, the job's name and account included.
    public let seal: String

    public init(number: Int, owner: String, content: String, seal: String) {
      self.number = number
      self.owner = owner
      self.content = content
      self.seal = seal
    }
  }

  public init(token: String, claim: Claim? = nil) {
    self.token = token
    self.claim = claim
  }

  /// Reads a mark's text; what follows it is passed over. Nil when there is no token.
  public init?(_ text: some StringProtocol) {
    let text = Substring(text).utf8.prefix { ValueRule.isLetterOrDigit($0) || ":%._@-".utf8.contains($0) }
    let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard let token = parts.first, !token.isEmpty, token.allSatisfy(ValueRule.isLetterOrDigit) else { return nil }
    self.token = String(Substring(token))
    guard parts.count >= 5, let number = Int(Substring(parts[1])),
      let owner = Self.percentDecoded(String(Substring(parts[2])))
    else {
      claim = nil
      return
    }
    claim = Claim(
      number: number, owner: owner, content: String(Substring(parts[3])), seal: String(Substring(parts[4])))
  }

  public var description: String {
    guard let claim else { return token }
    return "\(token):\(claim.number):\(Self.percentEncoded(claim.owner)):\(claim.content):\(claim.seal)"
  }

  private static func percentEncoded(_ text: String) -> String {
    text.utf8.reduce(into: "") { result, byte in
      let scalar = Unicode.Scalar(byte)
      if scalar.isASCII,
        scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "._@-".unicodeScalars.contains(scalar)
      {
        result.unicodeScalars.append(scalar)
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        result += digits.count == 1 ? "%0" + digits : "%" + digits
      }
    }
  }

  private static func percentDecoded(_ text: String) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 else {
        return nil
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}

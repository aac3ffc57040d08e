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
    let content: String
    /// A keyed digest of all the rest, the job's name and account included.
    let seal: String
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

/// How jobs are made known to a store that was lost: the marks that they carry are sealed with a key that only this
/// installation has, so that neither a user's own job nor that of another Weir passes for one of ours.
public struct Adoption: Sendable {
  private let key: [UInt8]
  /// The account that an owner's jobs run as now; nil for nobody's.
  let accountOf: @Sendable (_ owner: String) -> String?

  /// - Parameter secret: as hard to guess as a private key, since every user of the cluster sees what is made with it.
  ///   It must outlive the store.
  public init(secret: [UInt8], accountOf: @escaping @Sendable (_ owner: String) -> String?) {
    key = Array(hmacSHA256(Array("weir adoption".utf8), key: secret).utf8)
    self.accountOf = accountOf
  }

  func mark(of submission: Submission, token: String, fingerprint: String) -> Mark {
    let content = self.content(token: token, fingerprint: fingerprint)
    let seal = seal(
      token: token, name: submission.name, number: submission.number, owner: submission.owner,
      account: submission.account, content: content)
    return Mark(
      token: token, claim: .init(number: submission.number, owner: submission.owner, content: content, seal: seal))
  }

  /// A keyed digest by which the same submission is known again.
  func content(token: String, fingerprint: String) -> String {
    String(hmacSHA256(delimited(["content", token, fingerprint]), key: key).prefix(16))
  }

  private func seal(token: String, name: String, number: Int, owner: String, account: String, content: String)
    -> String
  {
    String(hmacSHA256(delimited(["seal", token, name, String(number), owner, account, content]), key: key).prefix(24))
  }

  /// The job that a sighting shows, if it was submitted here, by somebody whose jobs still run as that account.
  func job(shownBy sighting: Sighting, connector: any Connector, at time: Date) -> Job? {
    guard !sighting.isRefusal, let mark = sighting.mark, let claim = mark.claim, let name = sighting.name,
      let account = sighting.account,
      accountOf(claim.owner) == account,
      claim.seal
        == seal(
          token: mark.token, name: name, number: claim.number, owner: claim.owner, account: account,
          content: claim.content)
    else { return nil }
    // What was asked is lost but for what the mark says; where its output goes follows from that.
    let submission = Submission(
      name: name, number: claim.number, owner: claim.owner, account: account, nodes: 1, coresPerNode: 1, request: "",
      script: "", shownScript: "")
    let job = Job(
      submission, token: mark.token, fingerprint: Job.adoptedFingerprint + claim.content, connector: connector,
      now: sighting.submittedAt ?? time)
    return job.updated(by: sighting, at: time)
  }
}

extension Job {
  /// What the fingerprint of an adopted job begins with; the mark's digest of the content follows.
  static let adoptedFingerprint = "adopted:"

  /// Whether it was made from what the backend showed of it, and not by a submit.
  public var isAdopted: Bool { fingerprint.hasPrefix(Self.adoptedFingerprint) }
}

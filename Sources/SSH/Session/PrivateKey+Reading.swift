import Foundation
import Support

extension PrivateKey {
  /// Reads keys, the encrypted ones with a passphrase.
  public static func reader(passphrase: String) -> KeyReader {
    { text in try PrivateKey(text: text, passphrase: passphrase) }
  }

  /// - Parameters:
  ///   - text: the text of the private key file, or base64 of it (for environment variables).
  ///   - passphrase: for an encrypted key; ignored for one that is not.
  public init(text: String, passphrase: String? = nil) throws(KeyError) {
    try self.init(text: text, passphrase: passphrase, hasRSA: Session.hasRSA)
  }

  /// - Parameter hasRSA: whether RSA keys can be used.
  init(text: String, passphrase: String?, hasRSA: Bool) throws(KeyError) {
    let body = try Self.body(of: text, hasRSA: hasRSA)
    let envelope = try Envelope(body)
    switch envelope.kind {
    case .ed25519, .ecdsa256, .ecdsa384, .ecdsa521: break
    case .rsa: if !hasRSA { throw .rsa }
    case .dsa, .securityKeyEd25519, .securityKeyECDSA: throw .unsupportedKind(envelope.kind.rawValue)
    }
    guard !envelope.isEncrypted || passphrase?.isEmpty == false else { throw .encrypted }
    // Written again, so that indentation, CRLF or a missing last newline in the source do no harm.
    let base64 = body.base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
    self.init(
      kind: envelope.kind, fingerprint: Digest.fingerprint(envelope.publicKey),
      pem: Array("\(Self.begin)\n\(base64)\n\(Self.end)\n".utf8),
      passphrase: envelope.isEncrypted ? passphrase : nil)
    guard Session.canLoad(self) else { throw envelope.isEncrypted ? .wrongPassphrase : .damaged }
  }

  private static let begin = "-----BEGIN OPENSSH PRIVATE KEY-----"
  private static let end = "-----END OPENSSH PRIVATE KEY-----"

  /// The bytes between the armour.
  private static func body(of text: String, hasRSA: Bool) throws(KeyError) -> Data {
    // Line ends that a JSON text or an environment file has escaped: a key has no backslashes of its own.
    let text = text.replacingOccurrences(of: "\\r", with: "").replacingOccurrences(of: "\\n", with: "\n")
    var armoured = text
    if !text.contains("-----BEGIN ") {
      if text.contains("PuTTY-User-Key-File") { throw .foreignFormat("PuTTY") }
      if text.hasPrefix("ssh-") || text.hasPrefix("ecdsa-") { throw .publicKey }
      guard let decoded = Data(base64Encoded: text.filter { !$0.isWhitespace }),
        let inner = String(data: decoded, encoding: .utf8), inner.contains("-----BEGIN ")
      else { throw .notAKey }
      armoured = inner
    }
    guard let start = armoured.range(of: begin) else {
      if armoured.contains("BEGIN RSA PRIVATE KEY") { throw hasRSA ? .foreignFormat("PEM") : .rsa }
      if armoured.contains("PUBLIC KEY-----") { throw .publicKey }
      throw armoured.contains("PRIVATE KEY-----") ? .foreignFormat("PEM") : .notAKey
    }
    guard let stop = armoured.range(of: end, range: start.upperBound..<armoured.endIndex),
      let body = Data(base64Encoded: armoured[start.upperBound..<stop.lowerBound].filter { !$0.isWhitespace })
    else { throw .damaged }
    return body
  }
}

/// Why a text cannot be used as a private key. The text itself is never part of the description.
public enum KeyError: Error, Sendable, Equatable, CustomStringConvertible {
  case notAKey
  case publicKey
  case damaged
  /// A key in another format than OpenSSH's.
  case foreignFormat(String)
  /// libssh2 before 1.11 signs with RSA and SHA-1 only, which servers have refused since OpenSSH 8.8.
  case rsa
  case unsupportedKind(String)
  /// A passphrase is needed and none was given.
  case encrypted
  case wrongPassphrase

  public var description: String {
    switch self {
    case .notAKey: "this is not an SSH private key: expected the text of a file such as ~/.ssh/id_ed25519"
    case .publicKey: "this is a public key: the private key is needed, the file without .pub"
    case .damaged: "this private key is damaged or incomplete"
    case .foreignFormat(let format):
      "this private key is in \(format) format: convert a copy to OpenSSH's with `ssh-keygen -p -f FILE`"
        + " (PuTTY: puttygen FILE -O private-openssh-new -o NEW)"
    case .rsa:
      "RSA keys need libssh2 1.11, and \(Session.libssh2Version) is installed: make another key with"
        + " `ssh-keygen -t ed25519` and add its public key to authorized_keys"
    case .unsupportedKind(let kind):
      "keys of type \(kind) are not supported: make another key with `ssh-keygen -t ed25519` and add its public key to"
        + " authorized_keys"
    case .encrypted: "this private key is encrypted and needs its passphrase: set WEIR_SSH_PASSPHRASE_FILE"
    case .wrongPassphrase:
      "the passphrase does not decrypt this private key: correct WEIR_SSH_PASSPHRASE_FILE or WEIR_SSH_PASSPHRASE"
    }
  }
}

/// The part of an OpenSSH private key that can be read without its passphrase (OpenSSH's PROTOCOL.key, section 1).
private struct Envelope {
  let kind: PrivateKey.Kind
  let publicKey: [UInt8]
  let isEncrypted: Bool

  init(_ body: Data) throws(KeyError) {
    let magic = Array("openssh-key-v1\0".utf8)
    guard body.starts(with: magic) else { throw .damaged }
    var reader = WireReader(body.dropFirst(magic.count))
    guard let cipher = reader.string(), reader.string() != nil, reader.string() != nil, reader.uint32() == 1,
      let publicKey = reader.string(), let name = WireReader(publicKey).firstString(), reader.string() != nil
    else { throw .damaged }
    let algorithm = String(decoding: name, as: UTF8.self)
    guard let kind = PrivateKey.Kind(rawValue: algorithm) else { throw .unsupportedKind(algorithm) }
    self.kind = kind
    self.publicKey = publicKey
    isEncrypted = cipher != Array("none".utf8)
  }
}

/// Telling keys from secrets by how they are written.
enum PEMBlock {
  /// The labels of the PEM blocks in a text (RFC 7468, section 2), such as `PUBLIC KEY`.
  static func labels(in contents: [UInt8]) -> [String] {
    let mark = "-----BEGIN "
    return String(decoding: contents, as: UTF8.self)
      .split(whereSeparator: \.isNewline)
      .compactMap { line in
        guard let range = line.firstRange(of: mark) else { return nil }
        return String(line[range.upperBound..<line.endIndex].prefix { $0 != "-" })
      }
  }

  /// The error for a public key in a form that is not read. Taken for a secret, it would let anybody sign tokens.
  static func otherForm(of contents: [UInt8]) -> KeyError? {
    let text = String(decoding: contents.prefix(4096), as: UTF8.self).drop(while: \.isWhitespace)
    if ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].contains(where: text.hasPrefix) {
      return .otherForm("an OpenSSH public key", remedy: "convert it (ssh-keygen -e -m PKCS8)")
    }
    // "-----BEGIN" in base64.
    if text.hasPrefix("LS0tLS1CRUdJTi") {
      return .otherForm("PEM in base64", remedy: "decode it first (base64 -d)")
    }
    if text.hasPrefix("{"), text.contains("\"kty\"") || text.contains("\"keys\"") {
      return .otherForm("a JSON web key", remedy: "convert it to PEM")
    }
    if PublicKey(der: contents) != nil {
      return .otherForm("a DER public key", remedy: "convert it (openssl pkey -pubin -inform DER)")
    }
    return nil
  }
}

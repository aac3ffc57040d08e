/// What a client sends as a token, and what a source of keys answers. The first byte says what the others are: a token, its
/// header, its claims, a key set or a key file.
func tokenProperty(_ input: UnsafeRawBufferPointer) {
  guard let kind = input.first else { return }
  let bytes = Array(input.dropFirst())
  switch kind {
  case UInt8(ascii: "0"): compactProperty(String(decoding: bytes, as: UTF8.self))
  case UInt8(ascii: "1"): compactProperty("\(encoded(bytes)).e30.AAAA")
  case UInt8(ascii: "2"): compactProperty("eyJhbGciOiJIUzI1NiJ9.\(encoded(bytes)).AAAA")
  case UInt8(ascii: "3"): keySetProperty(bytes)
  default: if let key = try? VerificationKey(contents: bytes) { claim(!key.fitting.isEmpty, "a key for nothing") }
  }
}

/// A token that is accepted can be written in one way only.
private func compactProperty(_ text: String) {
  do {
    let parts = try TokenParts(text)
    claim(text.utf8.count <= TokenVerifier.maximumLength, "a token that is too long")
    let pieces = text.split(separator: ".", omittingEmptySubsequences: false)
    claim(pieces.count == 3, "a token of other than three parts")
    for piece in pieces {
      claim(Base64URL.decode(piece.utf8).map(encoded) == String(piece), "a part with another spelling")
    }
    claim((parts.keyID?.utf8.count ?? 0) <= 256, "a kid that is too long")
    let claims = try Claims(parts.claims)
    claim(!claims.expiresAt.ISO8601Format().isEmpty, "a time that cannot be written")
    _ = try claims.isMeant(for: "weir")
  } catch {
    claim(error.description.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "a sentence with odd characters")
  }
}

private func keySetProperty(_ bytes: [UInt8]) {
  guard let set = try? KeySet(bytes, allowsSecrets: false) else { return }
  claim(!set.keys.isEmpty && set.keys.count <= KeySet.maximumCount, "a set of no or too many keys")
  for key in set.keys {
    claim(key.key.family != .hmac, "a secret in public")
    for algorithm in key.key.fitting {
      let found = set.keys(named: key.id, for: algorithm)
      claim(found.count <= TokenVerifier.maximumTrials, "too many keys to try")
      if key.id != nil { claim(found == [key.key], "a name that stands for several keys") }
    }
  }
}

/// Base64 for URLs, written otherwise than it is read.
private func encoded(_ bytes: [UInt8]) -> String {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
  var text = ""
  for start in stride(from: 0, to: bytes.count, by: 3) {
    let group = bytes[start..<min(start + 3, bytes.count)]
    let number = (0..<3).reduce(0) { $0 << 8 | (start + $1 < bytes.count ? Int(bytes[start + $1]) : 0) }
    for digit in 0...group.count { text.append(alphabet[number >> (18 - 6 * digit) & 63]) }
  }
  return text
}

import CLibCrypto

/// The SHA-256 digest of bytes, as 64 lower-case hexadecimal digits.
func sha256(_ bytes: [UInt8]) -> String {
  var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
  var length: UInt32 = 0
  _ = EVP_Digest(bytes, bytes.count, &digest, &length, EVP_sha256(), nil)
  return hexadecimal(digest.prefix(Int(length)))
}

/// HMAC-SHA-256 (RFC 2104) of bytes, as 64 lower-case hexadecimal digits.
func hmacSHA256(_ bytes: [UInt8], key: [UInt8]) -> String {
  var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
  var length = 0
  _ = EVP_Q_mac(
    nil, "HMAC", nil, "SHA256", nil, key, key.count, bytes, bytes.count, &digest, digest.count, &length)
  return hexadecimal(digest.prefix(length))
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

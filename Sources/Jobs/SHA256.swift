import CLibCrypto

/// The SHA-256 digest of bytes, as 64 lower-case hexadecimal digits.
func sha256(_ bytes: [UInt8]) -> String {
  var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
  var length: UInt32 = 0
  _ = EVP_Digest(bytes, bytes.count, &digest, &length, EVP_sha256(), nil)
  let digits = Array("0123456789abcdef".utf8)
  return String(
    decoding: digest.prefix(Int(length)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

import CLibCrypto
import Foundation

/// The digests that SSH's files are made of.
enum Digest {
  /// `SHA256:...` as OpenSSH prints it: base64 without padding.
  static func fingerprint(_ publicKey: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length = 0
    guard EVP_Q_digest(nil, "SHA256", nil, publicKey, publicKey.count, &digest, &length) == 1 else { return "SHA256:?" }
    let base64 = Data(digest.prefix(length)).base64EncodedString()
    return "SHA256:" + base64.prefix(while: { $0 != "=" })
  }

  /// The code that hides host names in a known hosts file (`HashKnownHosts` of ssh_config(5)).
  static func hmacSHA1(_ text: String, salt: [UInt8]) -> [UInt8] {
    let message = Array(text.utf8)
    var code = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length = 0
    let done = EVP_Q_mac(
      nil, "HMAC", nil, "SHA1", nil, salt, salt.count, message, message.count, &code, code.count, &length)
    return done == nil ? [] : Array(code.prefix(length))
  }
}

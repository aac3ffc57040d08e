import CLibCrypto
import Foundation

@testable import Tokens

/// A key that tests sign with, through libcrypto alone, so that libjwt is checked against something other than itself.
final class SigningKey: @unchecked Sendable {
  private let key: OpaquePointer

  static let rsa = generate("RSA", bits: 2048)
  static let otherRSA = generate("RSA", bits: 2048)
  static let p256 = generate("EC", group: "prime256v1")
  static let otherP256 = generate("EC", group: "prime256v1")
  static let p384 = generate("EC", group: "secp384r1")
  static let p521 = generate("EC", group: "secp521r1")
  static let secret = hmac((0..<64).map { UInt8($0 * 3 % 251) })

  private init(_ key: OpaquePointer) { self.key = key }
  deinit { EVP_PKEY_free(key) }

  static func generate(_ kind: String, bits: Int32? = nil, group: String? = nil) -> SigningKey {
    let context = EVP_PKEY_CTX_new_from_name(nil, kind, nil)
    defer { EVP_PKEY_CTX_free(context) }
    EVP_PKEY_keygen_init(context)
    if let bits { EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) }
    if let group { EVP_PKEY_CTX_set_group_name(context, group) }
    var key: OpaquePointer?
    EVP_PKEY_generate(context, &key)
    return SigningKey(key!)
  }

  static func hmac(_ secret: [UInt8]) -> SigningKey {
    SigningKey(EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nil, secret, secret.count)!)
  }

  var publicPEM: [UInt8] { written { PEM_write_bio_PUBKEY($0, key) } }
  var privatePEM: [UInt8] { written { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) } }
  var publicDER: [UInt8] { written { i2d_PUBKEY_bio($0, key) } }

  /// The key in the older form of PKCS #1, `BEGIN RSA PUBLIC KEY`.
  var pkcs1PEM: [UInt8] {
    var der = [UInt8](repeating: 0, count: Int(i2d_PublicKey(key, nil)))
    der.withUnsafeMutableBufferPointer {
      var start = $0.baseAddress
      i2d_PublicKey(key, &start)
    }
    let text = Data(der).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
    return Array("-----BEGIN RSA PUBLIC KEY-----\n\(text)\n-----END RSA PUBLIC KEY-----\n".utf8)
  }

  private func written(_ write: (OpaquePointer?) -> Int32) -> [UInt8] {
    let bio = BIO_new(BIO_s_mem())
    defer { BIO_free(bio) }
    precondition(write(bio) == 1)
    var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(bio))
    BIO_read(bio, &bytes, Int32(bytes.count))
    return bytes
  }

  /// A token with the given header and payload, as written.
  func token(header: String, payload: String, algorithm: Algorithm) -> String {
    let signed = base64URL(Array(header.utf8)) + "." + base64URL(Array(payload.utf8))
    return signed + "." + base64URL(signature(of: Array(signed.utf8), algorithm: algorithm))
  }

  /// A token with the usual header.
  func token(_ payload: String, _ algorithm: Algorithm) -> String {
    token(header: #"{"alg":"\#(algorithm)","typ":"JWT"}"#, payload: payload, algorithm: algorithm)
  }

  func signature(of text: [UInt8], algorithm: Algorithm) -> [UInt8] {
    let context = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(context) }
    let digest =
      switch algorithm.rawValue.suffix(3) {
      case "256": EVP_sha256()
      case "384": EVP_sha384()
      default: EVP_sha512()
      }
    precondition(EVP_DigestSignInit(context, nil, digest, nil, key) == 1)
    var length = 0
    EVP_DigestSign(context, nil, &length, text, text.count)
    var signature = [UInt8](repeating: 0, count: length)
    EVP_DigestSign(context, &signature, &length, text, text.count)
    signature.removeLast(signature.count - length)
    return algorithm.rawValue.hasPrefix("ES") ? fixedWidth(signature) : signature
  }

  /// JWS wants r and s side by side (RFC 7518, section 3.4), where libcrypto writes DER.
  private func fixedWidth(_ der: [UInt8]) -> [UInt8] {
    let width = (EVP_PKEY_get_bits(key) + 7) / 8
    let signature = der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
      var start = bytes.baseAddress
      return d2i_ECDSA_SIG(nil, &start, bytes.count)
    }
    defer { ECDSA_SIG_free(signature) }
    return [ECDSA_SIG_get0_r(signature), ECDSA_SIG_get0_s(signature)].flatMap { number in
      var bytes = [UInt8](repeating: 0, count: Int(width))
      BN_bn2binpad(number, &bytes, width)
      return bytes
    }
  }
}

func base64URL(_ bytes: [UInt8]) -> String {
  Data(bytes).base64EncodedString()
    .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

extension SigningKey {
  /// The public key as a JSON web key.
  /// - Parameters:
  ///   - id: its `kid`; none if nil.
  ///   - more: further members, as written, `,"use":"sig"` for example.
  func webKey(_ id: String?, _ more: String = "") -> String {
    let kid = id.map { #""kid":"\#($0)","# } ?? ""
    if EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA {
      return #"{\#(kid)"kty":"RSA","n":"\#(number("n"))","e":"\#(number("e"))"\#(more)}"#
    }
    let bits = EVP_PKEY_get_bits(key)
    let width = Int32((bits + 7) / 8)
    return """
      {\(kid)"kty":"EC","crv":"P-\(bits)","x":"\(number("qx", width))","y":"\(number("qy", width))"\(more)}
      """
  }

  private func number(_ name: String, _ width: Int32? = nil) -> String {
    var number: OpaquePointer?
    precondition(EVP_PKEY_get_bn_param(key, name, &number) == 1)
    defer { BN_free(number) }
    let count = width ?? (BN_num_bits(number) + 7) / 8
    var bytes = [UInt8](repeating: 0, count: Int(count))
    BN_bn2binpad(number, &bytes, count)
    return base64URL(bytes)
  }

  /// A token with a `kid`.
  func token(_ payload: String, _ algorithm: Algorithm, kid: String) -> String {
    token(header: #"{"alg":"\#(algorithm)","kid":"\#(kid)"}"#, payload: payload, algorithm: algorithm)
  }
}

/// A JSON web key set of these keys.
func keySet(_ keys: String...) -> String { #"{"keys":[\#(keys.joined(separator: ","))]}"# }

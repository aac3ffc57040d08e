import CLibCrypto

/// A public key as libcrypto reads it.
final class PublicKey {
  private let key: OpaquePointer

  /// Reads a PEM public key; nil if it is none.
  init?(pem: [UInt8]) {
    guard let length = Int32(exactly: pem.count) else { return nil }
    let parsed = pem.withUnsafeBytes { bytes -> OpaquePointer? in
      guard let bio = BIO_new_mem_buf(bytes.baseAddress, length) else { return nil }
      defer { BIO_free(bio) }
      // An encrypted block would make libcrypto ask for a passphrase on the terminal; this refuses instead.
      return PEM_read_bio_PUBKEY(bio, nil, { _, _, _, _ in -1 }, nil)
    }
    guard let parsed else { return nil }
    key = parsed
  }

  /// Reads a DER public key (SubjectPublicKeyInfo); nil if it is none.
  init?(der: [UInt8]) {
    let parsed = der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
      var start = bytes.baseAddress
      return d2i_PUBKEY(nil, &start, bytes.count)
    }
    guard let parsed else { return nil }
    key = parsed
  }

  deinit { EVP_PKEY_free(key) }

  /// `EVP_PKEY_RSA`, `EVP_PKEY_EC`, ...
  var kind: Int32 { EVP_PKEY_get_base_id(key) }

  var kindName: String { EVP_PKEY_get0_type_name(key).map { String(cString: $0) } ?? "unknown" }

  /// Whether the numbers of an RSA or EC key make a key at all: an exponent of 1, say, would let anybody sign.
  var isSound: Bool {
    guard kind == EVP_PKEY_RSA || kind == EVP_PKEY_EC else { return true }
    guard let context = EVP_PKEY_CTX_new(key, nil) else { return false }
    defer { EVP_PKEY_CTX_free(context) }
    return EVP_PKEY_public_check(context) == 1
  }

  var bits: Int { Int(EVP_PKEY_get_bits(key)) }

  /// libcrypto's name of the curve.
  var group: String? {
    var name = [UInt8](repeating: 0, count: 80)
    var length = 0
    let found = name.withUnsafeMutableBytes {
      EVP_PKEY_get_group_name(key, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count, &length)
    }
    return found == 1 ? String(decoding: name.prefix(length), as: UTF8.self) : nil
  }

  /// The key as `BEGIN PUBLIC KEY`, whichever way it was written.
  var pem: [UInt8]? {
    guard let bio = BIO_new(BIO_s_mem()) else { return nil }
    defer { BIO_free(bio) }
    guard PEM_write_bio_PUBKEY(bio, key) == 1 else { return nil }
    var text = [UInt8](repeating: 0, count: BIO_ctrl_pending(bio))
    guard BIO_read(bio, &text, Int32(clamping: text.count)) == text.count else { return nil }
    return text
  }
}

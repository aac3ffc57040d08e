import CLibCrypto
import Foundation

/// Keeps secrets out of the database: what a job still needs to be run by, its registry passwords included, is written
/// there encrypted (AES-256-GCM), with a key that lies beside it in the state directory and in no copy of the database.
struct Seal: Sendable {
  private let key: [UInt8]
  private static let nonceLength = 12
  private static let tagLength = 16

  /// Reads the key, or makes one.
  init(path: String) throws(StoreError) {
    do {
      if let data = FileManager.default.contents(atPath: path) {
        guard data.count == 32 else { throw StoreError.unusable("\(path) is no key of 32 bytes") }
        key = [UInt8](data)
      } else {
        var generator = SystemRandomNumberGenerator()
        key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        try Files.write(key, to: path)
      }
    } catch {
      throw StoreError(error)
    }
  }

  /// Bytes that only ``open(_:)`` can read, and that nobody can change.
  func close(_ plain: [UInt8]) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    let nonce = (0..<Self.nonceLength).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    var sealed = [UInt8](repeating: 0, count: plain.count)
    var tag = [UInt8](repeating: 0, count: Self.tagLength)
    let context = EVP_CIPHER_CTX_new()
    defer { EVP_CIPHER_CTX_free(context) }
    var length: Int32 = 0
    let isDone =
      EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce) == 1
      && EVP_EncryptUpdate(context, &sealed, &length, plain, Int32(plain.count)) == 1
      && EVP_EncryptFinal_ex(context, nil, &length) == 1
      && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagLength), &tag) == 1
    precondition(isDone, "libcrypto cannot encrypt")
    return nonce + tag + sealed
  }

  /// Nil when they were not closed with this key, or changed since.
  func open(_ sealed: [UInt8]) -> [UInt8]? {
    guard sealed.count >= Self.nonceLength + Self.tagLength else { return nil }
    let nonce = Array(sealed.prefix(Self.nonceLength))
    var tag = Array(sealed[Self.nonceLength..<Self.nonceLength + Self.tagLength])
    let body = Array(sealed.dropFirst(Self.nonceLength + Self.tagLength))
    var plain = [UInt8](repeating: 0, count: body.count)
    let context = EVP_CIPHER_CTX_new()
    defer { EVP_CIPHER_CTX_free(context) }
    var length: Int32 = 0
    guard EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce) == 1,
      EVP_DecryptUpdate(context, &plain, &length, body, Int32(body.count)) == 1,
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagLength), &tag) == 1,
      EVP_DecryptFinal_ex(context, nil, &length) == 1
    else { return nil }
    return plain
  }
}

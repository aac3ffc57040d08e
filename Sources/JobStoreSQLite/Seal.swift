import CLibCrypto
import Foundation
import JobStore

/// Keeps secrets out of the database: what a job still needs to be run by, its registry passwords included, is written
/// there encrypted (AES-256-GCM), with a key that lies beside it in the state directory and in no copy of the database.
struct Seal: Sendable {
  private let key: [UInt8]
  /// Why a new key was made; nil when the one that was there is used.
  let newKeyReason: String?

  static let keyLength = 32
  private static let nonceLength = 12
  private static let tagLength = 16
  private static let headLength = nonceLength + tagLength

  /// Reads the key. Without a usable one makes a new one; what stood in its place is kept under another name.
  init(path: String) throws(StoreError) {
    // It may be ours and closed to ourselves.
    if access(path, R_OK) != 0, errno == EACCES { chmod(path, 0o600) }
    switch Self.read(path) {
    case .key(let key):
      self.key = key
      newKeyReason = nil
      return
    case .missing: newKeyReason = "seal.key was missing"
    case .unusable(let reason):
      let aside = "\(path).unusable-\(Int(Date().timeIntervalSince1970))"
      try Files.rename(path, to: aside)
      newKeyReason = "\(reason); it is kept as \(aside)"
    }
    var generator = SystemRandomNumberGenerator()
    key = (0..<Self.keyLength).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    try Files.write(key, to: path)
  }

  /// Reads the key and changes nothing.
  init(reading path: String) throws(StoreError) {
    newKeyReason = nil
    switch Self.read(path) {
    case .key(let key): self.key = key
    case .missing: throw .unusable("seal.key is missing")
    case .unusable(let reason): throw .unusable(reason)
    }
  }

  private enum Found {
    case key([UInt8])
    case missing
    case unusable(String)
  }

  private static func read(_ path: String) -> Found {
    do {
      guard let bytes = try Files.read(path, limit: keyLength + 1) else { return .missing }
      return bytes.count == keyLength
        ? .key(bytes) : .unusable("seal.key does not have the \(keyLength) bytes of a key")
    } catch {
      return .unusable("seal.key cannot be read: \(error)")
    }
  }

  /// Bytes that only ``open(_:)`` can read, and that nobody can change.
  func close(_ plain: [UInt8]) throws(StoreError) -> [UInt8] {
    guard let length = Int32(exactly: plain.count) else { throw .unusable("too many bytes to be encrypted at once") }
    var generator = SystemRandomNumberGenerator()
    var sealed = (0..<Self.nonceLength).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    sealed += repeatElement(0, count: Self.tagLength + plain.count)
    let isDone = sealed.withUnsafeMutableBufferPointer { buffer -> Bool in
      guard let nonce = buffer.baseAddress, let context = EVP_CIPHER_CTX_new() else { return false }
      defer { EVP_CIPHER_CTX_free(context) }
      var written: Int32 = 0
      return EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce) == 1
        && EVP_EncryptUpdate(context, nonce + Self.headLength, &written, plain, length) == 1
        && EVP_EncryptFinal_ex(context, nil, &written) == 1
        && EVP_CIPHER_CTX_ctrl(
          context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagLength), nonce + Self.nonceLength) == 1
    }
    guard isDone else { throw .unusable("libcrypto cannot encrypt") }
    return sealed
  }

  /// Nil when they were not closed with this key, or changed since.
  func open(_ sealed: some Collection<UInt8> & ContiguousBytes) -> [UInt8]? {
    guard let length = Int32(exactly: sealed.count - Self.headLength), length >= 0 else { return nil }
    var tag = [UInt8](sealed.dropFirst(Self.nonceLength).prefix(Self.tagLength))
    var plain = [UInt8](repeating: 0, count: Int(length))
    let isDone = sealed.withUnsafeBytes { buffer -> Bool in
      guard let nonce = buffer.bindMemory(to: UInt8.self).baseAddress, let context = EVP_CIPHER_CTX_new() else {
        return false
      }
      defer { EVP_CIPHER_CTX_free(context) }
      var read: Int32 = 0
      return EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce) == 1
        && EVP_DecryptUpdate(context, &plain, &read, nonce + Self.headLength, length) == 1
        && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagLength), &tag) == 1
        && EVP_DecryptFinal_ex(context, nil, &read) == 1
    }
    return isDone ? plain : nil
  }
}

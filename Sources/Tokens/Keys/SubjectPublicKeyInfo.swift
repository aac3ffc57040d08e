/// The DER form of public keys (RFC 5280, section 4.1.2.7; RFC 3279, section 2.3; RFC 8410), which libcrypto reads, written
/// from the numbers that a JSON web key holds.
enum SubjectPublicKeyInfo {
  static func rsa(modulus: [UInt8], exponent: [UInt8]) -> [UInt8] {
    // rsaEncryption, and NULL for its parameters.
    let algorithm: [UInt8] = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0]
    return info(algorithm, key: sequence(integer(modulus) + integer(exponent)))
  }

  /// - Parameters:
  ///   - x: as long as the curve's field.
  ///   - y: so too.
  static func ec(_ curve: VerificationKey.Curve, x: [UInt8], y: [UInt8]) -> [UInt8] {
    let ecPublicKey: [UInt8] = [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]
    let name: [UInt8] =
      switch curve {
      case .p256: [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]
      case .p384: [0x06, 5, 0x2b, 0x81, 4, 0, 34]
      case .p521: [0x06, 5, 0x2b, 0x81, 4, 0, 35]
      }
    // 4: an uncompressed point.
    return info(ecPublicKey + name, key: [4] + x + y)
  }

  static func ed25519(_ key: [UInt8]) -> [UInt8] {
    info([0x06, 3, 0x2b, 0x65, 112], key: key)
  }

  private static func info(_ algorithm: [UInt8], key: [UInt8]) -> [UInt8] {
    // A bit string begins with the number of bits left over.
    sequence(sequence(algorithm) + element(0x03, [0] + key))
  }

  private static func sequence(_ contents: [UInt8]) -> [UInt8] { element(0x30, contents) }

  /// A number that is never negative: no zeros lead but the one that keeps its first bit clear.
  private static func integer(_ bytes: [UInt8]) -> [UInt8] {
    let digits = Array(bytes.drop { $0 == 0 })
    return element(0x02, digits.first.map { $0 < 0x80 } == true ? digits : [0] + digits)
  }

  private static func element(_ tag: UInt8, _ contents: [UInt8]) -> [UInt8] {
    var length = contents.count
    guard length >= 0x80 else { return [tag, UInt8(truncatingIfNeeded: length)] + contents }
    var digits: [UInt8] = []
    while length > 0 {
      digits.insert(UInt8(truncatingIfNeeded: length), at: 0)
      length >>= 8
    }
    return [tag, 0x80 | UInt8(truncatingIfNeeded: digits.count)] + digits + contents
  }
}

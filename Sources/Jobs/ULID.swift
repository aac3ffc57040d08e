import Foundation

/// A universally unique, lexicographically sortable identifier: 48 bits of milliseconds since 1970 and 80 random bits,
/// in Crockford's base 32 (26 characters).
public enum ULID {
  private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

  public static func make(at time: Date = Date()) -> String {
    var generator = SystemRandomNumberGenerator()
    let milliseconds = UInt64(max(0, time.timeIntervalSince1970 * 1000)) & 0xFFFF_FFFF_FFFF
    var text = [UInt8]()
    text.reserveCapacity(26)
    for shift in stride(from: 45, through: 0, by: -5) {
      text.append(alphabet[Int((milliseconds >> UInt64(shift)) & 31)])
    }
    for _ in 0..<16 { text.append(alphabet[Int(generator.next(upperBound: UInt8(32)))]) }
    return String(decoding: text, as: UTF8.self)
  }
}

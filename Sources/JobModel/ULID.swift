import Foundation
import Synchronization

/// A universally unique, lexicographically sortable identifier: 48 bits of milliseconds since 1970 and 80 random bits,
/// in Crockford's base 32 (26 characters).
public enum ULID {
  private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
  private static let last = Mutex((milliseconds: UInt64(0), high: UInt16(0), low: UInt64(0)))

  /// One that bears the given time.
  public static func make(at time: Date) -> String {
    text(milliseconds(time), .random(in: 0...(.max)), .random(in: 0...(.max)))
  }

  /// The next one: those of one process sort in the order in which they were made, also within a millisecond and when
  /// the clock is set back. Then the last one's time stays and its random bits count up, as in the specification's
  /// monotonic form.
  public static func next(at time: Date = Date()) -> String {
    let now = milliseconds(time)
    let (milliseconds, high, low) = last.withLock { last in
      if now > last.milliseconds {
        // With its highest bit clear there is room to count.
        last = (now, .random(in: 0...(.max >> 1)), .random(in: 0...(.max)))
      } else {
        last.low &+= .random(in: 1...(1 << 32))
        if last.low < 1 << 33 { last.high &+= 1 }
      }
      return last
    }
    return text(milliseconds, high, low)
  }

  /// Has all that are made from now on sort behind that one, which an earlier process made.
  public static func follow(_ text: String) {
    guard text.utf8.count == 26 else { return }
    var milliseconds: UInt64 = 0
    for byte in text.utf8.prefix(10) {
      guard let digit = alphabet.firstIndex(of: byte) else { return }
      milliseconds = milliseconds << 5 | UInt64(digit)
    }
    last.withLock { last in
      guard milliseconds >= last.milliseconds else { return }
      last = (milliseconds + 1, .random(in: 0...(.max >> 1)), .random(in: 0...(.max)))
    }
  }

  private static func milliseconds(_ time: Date) -> UInt64 {
    UInt64(max(0, time.timeIntervalSince1970 * 1000)) & 0xFFFF_FFFF_FFFF
  }

  private static func text(_ milliseconds: UInt64, _ high: UInt16, _ low: UInt64) -> String {
    var text = [UInt8]()
    text.reserveCapacity(26)
    for shift in stride(from: 45, through: 0, by: -5) {
      text.append(alphabet[Int((milliseconds >> UInt64(shift)) & 31)])
    }
    // 80 bits in sixteen digits of five.
    for shift in stride(from: 75, through: 0, by: -5) {
      let digit =
        shift >= 64
        ? UInt64(high) >> UInt64(shift - 64)
        : low >> UInt64(shift) | (shift > 59 ? UInt64(high) << UInt64(64 - shift) : 0)
      text.append(alphabet[Int(digit & 31)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}

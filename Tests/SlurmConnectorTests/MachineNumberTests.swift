import ConnectorSupport
import Foundation
import Testing

@Suite struct MachineNumberTests {
  private let now = Date(timeIntervalSince1970: 1_800_000_000)

  @Test(
    "A count is digits within its bound",
    arguments: [
      ("0", 0), ("007", 7), ("2147483648", 2_147_483_648), ("2147483649", nil), ("9223372036854775807", nil),
      ("99999999999999999999", nil), ("", nil), ("-1", nil), ("+1", nil), ("1.5", nil), (" 1", nil), ("1e3", nil),
      ("٣", nil), ("0x10", nil),
    ] as [(String, Int?)])
  func counts(text: String, expected: Int?) { #expect(MachineNumber.count(text) == expected) }

  @Test(
    "A past time lies at most a day ahead",
    arguments: [
      ("1800000000", true), ("1800086400", true), ("1800086401", false), ("253402300799", false), ("1", true),
      ("0", false), ("-5", false), ("1e300", false), ("N/A", false), ("9223372036854775807", false),
    ])
  func pastTimes(text: String, accepted: Bool) { #expect((MachineNumber.pastTime(text, now: now) != nil) == accepted) }

  @Test(
    "A time lies within the year 9999",
    arguments: [("253402300799", true), ("253402300800", false), ("0", false), ("Unknown", false)])
  func times(text: String, accepted: Bool) { #expect((MachineNumber.time(text) != nil) == accepted) }

  @Test("A sum stops at its bound")
  func sums() {
    #expect([1, 2, 3].boundedSum() == 6)
    #expect([Int.max, 1].boundedSum() == MachineNumber.largestCount)
    #expect([1 << 31, 1].boundedSum() == MachineNumber.largestCount)
    #expect([5, 6].boundedSum(upTo: 10) == 10)
  }
}

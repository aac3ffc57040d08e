import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("What identifies jobs and submissions")
struct IdentityTests {
  let bench = Bench()

  @Test("No two submissions share a fingerprint because their fields run together")
  func fingerprints() {
    var left = bench.submission("ab")
    left.owner = "c"
    var right = bench.submission("a")
    right.owner = "bc"
    #expect(left.fingerprint != right.fingerprint)
    #expect(left.fingerprint.count == 64)
  }

  @Test("Identifiers sort by time")
  func ulid() {
    let early = ULID.make(at: Date(timeIntervalSince1970: 1_000_000_000))
    let late = ULID.make(at: Date(timeIntervalSince1970: 1_000_000_001))
    #expect(early < late && early.count == 26)
    #expect(early.prefix(10) == "00X3AAA400", "milliseconds since 1970 in Crockford's base 32")
  }
}

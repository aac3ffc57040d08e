import Support
import Testing

@Suite("The name that somebody may have meant")
struct NearMissTests {
  @Test(
    "It is at most two letters away",
    arguments: [
      ("JOBOBJ_GPU", "JOBOBJ_GPUS"), ("jobobj_gpus", "JOBOBJ_GPUS"), ("JOBOBJ_RAMM", "JOBOBJ_RAM"), ("X", nil),
      ("", nil), ("JOBOBJ_MEMORY", nil), ("JOBOBJ_GPSU", "JOBOBJ_GPUS"), ("OJBOBJ_RMA", "JOBOBJ_RAM"),
      ("JOBOBJ_XYZ", nil), ("JOBOBJ_RAM" + String(repeating: "M", count: 1_000_000), nil),
    ] as [(String, String?)])
  func near(name: String, expected: String?) {
    #expect(NearMiss.of(name, among: ["JOBOBJ_RAM", "JOBOBJ_GPUS"]) == expected)
  }

  @Test(
    "A bound of one's own counts by the name that is meant", arguments: [("gups", "gpus"), ("gxx", nil), ("enb", nil)])
  func bound(name: String, expected: String?) {
    #expect(NearMiss.of(name, among: ["gpus", "environment"]) { max(1, $0.utf8.count / 3) } == expected)
  }

  @Test("The nearest comes first, and of those alike the first that was named")
  func ranked() {
    let ranked = NearMiss.ranked(["abcd", "xbc", "abx", "abc"], by: "abc")
    #expect(ranked.map(\.name) == ["abc", "abcd", "xbc", "abx"] && ranked.map(\.distance) == [0, 1, 1, 1])
  }
}

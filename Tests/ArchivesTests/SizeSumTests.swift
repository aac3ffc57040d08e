import Testing

@testable import Archives

@Suite("Sizes that an archive only claims")
struct SizeSumTests {
  /// A base-256 number (GNU and star) in the field of the size.
  private func claiming(_ size: UInt64) -> (inout [UInt8]) -> Void {
    { header in
      for index in 0..<12 { header[124 + index] = 0 }
      header[124] = 0x80
      for index in 0..<8 { header[135 - index] = UInt8(truncatingIfNeeded: size >> UInt64(8 * index)) }
    }
  }

  @Test(
    "A sum of sizes that no number holds is refused, like one above the limit",
    arguments: [55, 56, 62, 63], [0, 1, 511, 512] as [UInt64])
  func sum(power: UInt64, less: UInt64) throws {
    let size = (UInt64(1) << power) - less
    for limit in [100 << 30, Int.max] {
      var tar = Tar()
      tar.add("one", data: [1])
      tar.add("huge", change: claiming(size))
      var limits = ArchiveLimits()
      limits.unpacked = limit
      let reader = try ArchiveReader(limits: limits)
      let zipped = gzip(tar.bytes)
      #expect(throws: ArchiveFault.self) {
        try reader.read(zipped) { _ in }
        try reader.finish()
      }
    }
  }

  @Test(
    "So are sizes in extended headers",
    arguments: ["9223372036854775807", "9223372036854775300", "99999999999999999999"])
  func extended(size: String) throws {
    var tar = Tar()
    tar.add("one", data: [1])
    tar.addPax(("size", size))
    tar.add("huge")
    var limits = ArchiveLimits()
    limits.unpacked = .max
    let reader = try ArchiveReader(limits: limits)
    let zipped = gzip(tar.bytes)
    #expect(throws: ArchiveFault.self) {
      try reader.read(zipped) { _ in }
      try reader.finish()
    }
  }
}

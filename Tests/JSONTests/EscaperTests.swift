import JSON
import Testing

@Suite("Text escaped piece by piece")
struct EscaperTests {
  /// What a text that comes whole is written as, without its quotes.
  private func whole(_ bytes: [UInt8]) -> [UInt8] {
    Array(JSONText.encode(.string(String(decoding: bytes, as: UTF8.self))).dropFirst().dropLast(2))
  }

  private func inPieces(_ bytes: [UInt8], of size: Int) -> [UInt8] {
    var escaper = JSONText.Escaper()
    var counter = JSONText.Escaper()
    var escaped: [UInt8] = []
    var count = 0
    var start = 0
    while start < bytes.count {
      let end = min(start + size, bytes.count)
      escaped += escaper.escape(Array(bytes[start..<end]), isLast: end == bytes.count)
      count += counter.count(Array(bytes[start..<end]), isLast: end == bytes.count)
      start = end
    }
    #expect(count == escaped.count)
    return escaped
  }

  @Test(
    "is the same as when it comes whole, wherever it is cut",
    arguments: [
      Array("a\n\"\\\u{7f}\u{0}é日🙂".utf8), [0xC3], [0xE6, 0x97], [0xF0, 0x9F, 0x99], [0x80, 0x80, 0x80, 0x80],
      [0xF0, 0x9F, 0x61, 0xC3, 0xC3, 0xA9], [0xED, 0xA0, 0x80, 0x61], [0xF8, 0x88, 0x80, 0x80, 0x80],
      [0xFF, 0xFE, 0xC0],
      [0x61, 0xE6, 0x97, 0xF0, 0x9F], [0xF4, 0x90, 0x80, 0x80], [0xE0, 0x80, 0x80],
    ] as [[UInt8]])
  func cuts(bytes: [UInt8]) {
    for size in 1...(bytes.count + 1) { #expect(inPieces(bytes, of: size) == whole(bytes), "\(size)") }
  }

  @Test("is the same for bytes of any kind")
  func random() {
    var generator = SystemRandomNumberGenerator()
    let odd: [UInt8] = [0x0A, 0x22, 0x61, 0x7F, 0x80, 0xA9, 0xBF, 0xC3, 0xE0, 0xE6, 0xED, 0xF0, 0xF4, 0xFF]
    for _ in 0..<300 {
      let bytes = (0..<40).map { _ in odd.randomElement(using: &generator) ?? 0 }
      for size in [1, 2, 3, 5, 16] { #expect(inPieces(bytes, of: size) == whole(bytes), "\(bytes)") }
    }
  }
}

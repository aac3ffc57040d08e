import Testing

@testable import SSH

@Suite("Streams of a kept shell")
struct MarkedStreamTests {
  private func append(_ text: String, to stream: inout MarkedStream) {
    Array(text.utf8).withUnsafeBytes { stream.append($0) }
  }

  @Test("Output ends at the mark, and the answer with its line, however the bytes arrive", arguments: [1, 3, 1000])
  func pieces(size: Int) {
    var stream = MarkedStream(mark: "\u{1e}mark", limit: 100)
    var rest = Substring("output\u{1e}mar\u{1e}mark 0 TERM\nmore\n")
    while !rest.isEmpty {
      append(String(rest.prefix(size)), to: &stream)
      rest = rest.dropFirst(size)
    }
    #expect(String(decoding: stream.output.bytes, as: UTF8.self) == "output\u{1e}mar" && stream.answer == " 0 TERM")
  }

  @Test("A line without end is no answer, and not kept", arguments: [" ", "x", "\u{1e}", "\u{1e}mark"])
  func endless(filler: String) {
    var stream = MarkedStream(mark: "\u{1e}mark", limit: 100)
    append("output\u{1e}mark", to: &stream)
    let chunk = Array(String(repeating: filler, count: 1000).utf8)
    for _ in 0..<1000 { chunk.withUnsafeBytes { stream.append($0) } }
    #expect(stream.answer == "")
  }

  @Test("Bytes that begin like a mark are output")
  func almost() {
    var stream = MarkedStream(mark: "\u{1e}mark", limit: 10)
    let chunk = [UInt8](repeating: 0x1e, count: 10_000)
    for _ in 0..<100 { chunk.withUnsafeBytes { stream.append($0) } }
    append("\u{1e}mark 1\n", to: &stream)
    #expect(stream.answer == " 1" && stream.output.truncated && stream.output.bytes.count == 10)
  }
}

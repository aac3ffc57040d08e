import Foundation
import Logging
import Testing

@testable import weir

@Suite("Lines of the log")
struct LogLinesTests {
  private let moment = Date(timeIntervalSince1970: 1_769_904_000.25)

  private func line(_ form: LogLines.Form, _ message: String, _ metadata: Logger.Metadata = [:]) -> String {
    String(decoding: LogLines.line(form, .notice, message, metadata, at: moment), as: UTF8.self)
  }

  @Test("A plain line is time, level, message and what is known beside it; empty fields are left out")
  func plain() {
    #expect(
      line(.plain, "listening", ["port": "5000", "why": "it was asked to", "empty": ""])
        == "2026-02-01T00:00:00.250Z notice listening port=5000 why=\"it was asked to\"\n")
  }

  @Test("What stands for a value stays in its quotes, whatever accents are put upon them")
  func quotes() {
    let accent = "\u{301}"
    for (value, shown) in [
      ("a\" status=200", #""a\" status=200""#), ("a\"\(accent) status=200", "\"a\\\"\(accent) status=200\""),
      ("a=\(accent)b", "\"a=\(accent)b\""), ("a \(accent)b", "\"a \(accent)b\""),
    ] {
      let text = line(.plain, "m", ["key": .string(value)])
      #expect(text.utf8.elementsEqual("2026-02-01T00:00:00.250Z notice m key=\(shown)\n".utf8), "\(text)")
    }
  }

  @Test("A line of JSON is one object, in which numbers are numbers")
  func json() throws {
    let text = line(
      .json, "a \"b\"\n",
      ["status": .stringConvertible(200), "reason": "", "ms": .stringConvertible(1.25), "job": "é", "list": ["x"]])
    #expect(text.hasSuffix("}\n") && text.dropLast().contains("\n") == false)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(
      object["message"] as? String == "a \"b\"\n" && object["status"] as? Int == 200 && text.contains("\"ms\":1.25,"))
    #expect(object["reason"] == nil)
    #expect(object["time"] as? String == "2026-02-01T00:00:00.250Z" && object["level"] as? String == "notice")
    #expect(object["job"] as? String == "é" && object["list"] as? [String] == ["x"])
  }

  @Test(
    "What is said stays on its line and steers no terminal",
    arguments: [
      "a\nb", "a\r\nb", "a\u{1b}[2Jb", "a\u{2028}b", "a\u{202e}b", "a\u{85}b", "a\0b", "a\u{7f}b", "a\u{200b}b",
      "a\u{3164}b", "a\u{fe0f}b", "a\u{fffe}b",
    ])
  func control(text: String) {
    for form in [LogLines.Form.plain, .json] {
      let shown = line(form, text, ["key": .string(text)])
      #expect(shown.unicodeScalars.dropLast().allSatisfy { $0.value >= 0x20 && $0.value < 0x7F })
    }
  }

  @Test("Lines that nobody reads are dropped, and how many is said; nobody waits for it")
  func dropped() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    let writer = LineWriter(descriptor: ends[1], capacity: 100_000) { Array("dropped \($0)\n".utf8) }
    let text = [UInt8](repeating: UInt8(ascii: "x"), count: 999) + [UInt8(ascii: "\n")]
    for _ in 0..<1000 { writer.write(text) }
    var read: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var written = 0
    var dropped = 0
    // It is told whenever there is room again, so maybe more than once.
    while written + dropped < 1000 {
      var ready = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
      try #require(poll(&ready, 1, 10_000) == 1)
      let count = Glibc.read(ends[0], &buffer, buffer.count)
      try #require(count > 0)
      read += buffer[..<count]
      let lines = read.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
      let notes = lines.filter { $0.starts(with: "dropped ".utf8) }.map { String(decoding: $0, as: UTF8.self) }
      dropped = notes.reduce(0) { $0 + (Int($1.dropFirst(8)) ?? 0) }
      written = lines.count { $0 == text.dropLast() }
      #expect(lines.count == written + notes.count)
    }
    #expect(dropped > 0 && written + dropped == 1000)
    close(ends[0])
    close(ends[1])
  }
}

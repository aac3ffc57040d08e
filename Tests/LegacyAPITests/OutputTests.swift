import Foundation
import JSON
import JobEngine
import Testing

@testable import LegacyAPI

@Suite("Output as it is answered")
struct OutputTests {
  /// As it was answered when it was held as one text.
  private func whole(_ output: [UInt8]) -> [UInt8] {
    var text = String(decoding: output, as: UTF8.self)
    while text.last?.isWhitespace == true { text.removeLast() }
    return Array(JSONText.encode(.string(text)).dropFirst().dropLast(2))
  }

  static let marks = String(repeating: "\u{301}", count: 5000)

  @Test(
    "Blanks at the end are left out, and nothing else",
    arguments: [
      "", "a", "a\n", "a \n\t\r\n\u{b}\u{c}", "\n\n", "  a", "a\u{85}", "a\u{2028}\u{2029}", "a\u{a0}",
      "a\u{3000}b\u{3000}",
      "a" + String(repeating: "\n", count: 200_000), String(repeating: " ", count: 200_000),
      "a" + String(repeating: "\u{2003}", count: 30_000),
      "a\n" + String(repeating: "\u{3000}\n", count: 30_000) + "b\u{3000}",
      "a \u{301}", "a b\u{301}", "a\n\u{301}", "a \u{301}\n\u{301}", "a\u{feff}", "a\u{200b}\n", "e\u{301}\n",
      "a " + marks, "a" + marks + "\n", String(repeating: "日", count: 40_000) + "\n",
    ])
  func blanks(text: String) throws {
    let output = Array(text.utf8)
    let text = try OutputText(OutputSource(output))
    let answered = try text.escaped()
    #expect(answered == whole(output))
    #expect(try text.escapedCount() == answered.count)
  }

  @Test(
    "Bytes that are no text count as what they are shown as",
    arguments: [
      [0xFF], [0x61, 0xFF, 0x0A], [0x61, 0x0A, 0xFF], [0xC3, 0x0A], [0x61, 0xE6, 0x97],
      [0x61, 0xE3, 0x80, 0x80, 0xE3, 0x80],
      [0xF0, 0x9F, 0x20, 0x20], Array(repeating: 0x80, count: 9000) + [0x20],
      [0x61] + Array(repeating: 0x20, count: 9000) + [0x80],
    ] as [[UInt8]])
  func damaged(output: [UInt8]) throws {
    let text = try OutputText(OutputSource(output))
    let answered = try text.escaped()
    #expect(answered == whole(output))
    #expect(try text.escapedCount() == answered.count)
  }

  @Test("Long output is answered with its length, the same bytes ever after, and its last lines are found")
  func long() async throws {
    let line = "\u{1}\u{7f}é\"\\ " + String(repeating: "x", count: 90) + "\n"
    let output = Array(String(repeating: line, count: 3000).utf8) + [0xC3, 0x0A, 0x0A]
    let backend = StagedConnector()
    backend.change {
      $0.report.lifecycle = .ended(.succeeded)
      $0.output = output
    }
    try await Bench.run(backend) { bench in
      let job = try await bench.submit()
      await bench.look()
      let first = try await bench.call("/exitstatus", job)
      let expected =
        Array(#"[0,"00:00:00",[""#.utf8) + whole(output)
        + Array("\",\"<< termination state: CD -- see STDOUT for job errors >>\"]]\n".utf8)
      #expect(first.status == 200 && first.body == expected && first["Content-Length"] == String(expected.count))
      #expect(first["Content-Type"] == "application/json")
      backend.change { $0.output = Array("other".utf8) }
      #expect(try await bench.call("/exitstatus", job).body == expected)
      let all = try await bench.get(job.path + "/tail?lines=10000")
      #expect(all.body == output && all["Content-Type"] == "text/plain; charset=utf-8")
      for (lines, text) in [(1, "\n"), (2, "\u{fffd}\n\n"), (3, line + "\u{fffd}\n\n")] {
        #expect(try await bench.get(job.path + "/tail?lines=\(lines)").text == text)
      }
    }
  }
}

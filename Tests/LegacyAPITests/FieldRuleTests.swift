import Foundation
import JobEngine
import JobModel
import Testing

@testable import LegacyAPI

@Suite("The rules of the fields")
struct FieldRuleTests {
  /// What no word, number, time, flag or path may be.
  static let hostile = [
    "-a", "--wrap=x", "a\nb", "a\r", "a\0b", "\u{1b}[1m", "\u{7f}", "$(x)", "`x`", "a;b", "a'b", "a\"b", "a\\b", "a>b",
    "{{a}}", "{a}", "\u{202e}a", "e\u{301}", "\u{ff11}", "\u{661}", "a#b", "~", "a$b", "<<E",
  ]

  private static let strict = FieldRule.all.indices.filter {
    if case .opaque = FieldRule.all[$0].rule { false } else { true }
  }

  @Test("No field but an opaque one or a path takes a hostile value", arguments: strict)
  func hostile(index: Int) {
    let field = FieldRule.all[index]
    let paths = [
      "\\", "$", "`", ";", "'", "\"", "<", ">", "{", "~", "#", "-", "\u{202e}", "\u{301}", "\u{ff11}", "\u{661}",
    ]
    for value in Self.hostile {
      // A path is an argument of its own, below a root: characters that mean something to a shell alone may stand in it.
      if case .path = field.rule,
        paths.contains(where: { value.unicodeScalars.contains($0.unicodeScalars.first ?? "-") })
      {
        continue
      }
      #expect(!field.accepts(value), "\(field.name) takes \(value.debugDescription)")
    }
  }

  @Test(
    "Lengths and ranges hold at both ends",
    arguments: [
      (.word(marks: "", length: 2...3), "a", false), (.word(marks: "", length: 2...3), "ab", true),
      (.word(marks: "", length: 2...3), "abc", true), (.word(marks: "", length: 2...3), "abcd", false),
      (.word(marks: ".-", length: 1...9), ".a", false), (.word(marks: ".-", length: 1...9), "a.-", true),
      (.word(marks: "", length: 0...3), "", true), (.whole(1...9), "0", false), (.whole(1...9), "1", true),
      (.whole(1...9), "9", true), (.whole(1...9), "10", false), (.whole(-5...9), "-5", true),
      (.whole(1...9), "+1", false),
      (.whole(1...9), " 1", false), (.whole(1...9), "1 ", false), (.whole(1...9), "0x1", false),
      (.whole(1...9), "1.0", false),
      (.whole(1...9), "99999999999999999999999", false), (.whole(1...9), "", false), (.flag, "TRUE", true),
      (.flag, "no", true), (.flag, "", false), (.flag, "truе", false), (.oneOf(["a"]), "a", true),
      (.oneOf(["a"]), "A", false),
      (.path(length: 0...4), "/a/b", true), (.path(length: 0...4), "/a/bc", false),
      (.path(length: 0...9), "a/..", false),
      (.path(length: 0...9), "..a/b..", true), (.opaque(what: "", length: 1...2), "\0\n", true),
      (.opaque(what: "", length: 1...2), "ä!", false), (.opaque(what: "", length: 1...2), "", false),
    ] as [(ValueRule, String, Bool)])
  func bounds(rule: ValueRule, value: String, fits: Bool) { #expect(rule.accepts(value) == fits) }

  @Test(
    "Slurm's forms of a time limit",
    arguments: [
      ("5", true), ("5:30", true), ("01:05:30", true), ("1-2", true), ("1-2:03", true), ("1-02:03:04", true),
      ("", false), (":", false), ("1:", false), ("1:2:3:4", false), ("1-", false), ("-1", false), ("1-2-3", false),
      ("1:234", false), ("1:2 ", false), ("1h", false), ("UNLIMITED", false), ("123456789012345678901", false),
      ("\u{661}:\u{662}", false), ("1\u{301}", false), ("1:2\n", false),
      ("24855-0", true), ("24855-00:00:01", false), ("35791200", true), ("35791201", false), ("596520:00:00", true),
      ("596520:00:01", false), ("99999999", false), ("99999999999", false), ("9223372036854775807", false),
      ("18446744073709551616", false), ("153722867280912931", false), ("106751991167301-0", false),
      ("9223372036854775808-0", false), ("2562047788015216:00:00", false), ("99999999999999999:59", false),
      ("00000000000000000005", true), ("0", true),
    ])
  func timeLimits(text: String, fits: Bool) { #expect(ValueRule.timeLimit.accepts(text) == fits) }

  /// With WRITE_DOCS set the page is written anew instead.
  @Test("The documentation's table of fields is the one that is checked by")
  func documentation() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let file = root.appendingPathComponent("docs/legacy-api-fields.md")
    let page = try String(contentsOf: file, encoding: .utf8)
    let start = try #require(page.range(of: "<!-- fields -->\n\n")).upperBound
    let end = try #require(page.range(of: "\n<!-- /fields -->")).lowerBound
    if ProcessInfo.processInfo.environment["WRITE_DOCS"] != nil {
      try page.replacingCharacters(in: start..<end, with: FieldRule.markdown)
        .write(to: file, atomically: true, encoding: .utf8)
    } else {
      #expect(page[start..<end] == FieldRule.markdown)
    }
  }

  @Test("Each field stands in the table once")
  func unique() {
    let names = FieldRule.all.map { "\($0.place) \($0.name)" }
    #expect(Set(names).count == names.count)
  }
}

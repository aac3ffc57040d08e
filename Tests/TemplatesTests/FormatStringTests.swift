import Foundation
import Templates
import Testing

@Suite("FormatString")
struct FormatStringTests {
  static let value = "V {{ } %s 'x'"

  @Test(
    "renders fields and braces",
    arguments: [
      ("", ""),
      ("plain", "plain"),
      ("{A}", value),
      ("{{", "{"),
      ("}}", "}"),
      ("{{A}}", "{A}"),
      ("{{{A}}}", "{\(value)}"),
      ("{{{{A}}}}", "{{A}}"),
      ("{{{{{A}}}}}", "{{\(value)}}"),
      ("{A}{B}{A}", "\(value)b\(value)"),
      ("{B}{{}}", "b{}"),
      ("f() {{ echo ${{X:-1}}; }}\r\n\t{B}\r\n", "f() { echo ${X:-1}; }\r\n\tb\r\n"),
      ("é{B}🇨🇭{{ü}}\u{301}", "éb🇨🇭{ü}\u{301}"),
    ])
  func rendering(text: String, expected: String) throws {
    let format = try FormatString(parsing: text, fields: ["A", "B"])
    #expect(format.render(["A": Self.value, "B": "b"]) == expected)
  }

  @Test(
    "refuses what is no text and no field, saying where",
    arguments: [
      ("}", 1, 1, "single '}'"),
      ("}}}", 1, 3, "single '}'"),
      ("}{", 1, 1, "single '}'"),
      ("ab\nc}", 2, 2, "single '}'"),
      ("ab\r\n\r\n\tc}d", 3, 3, "single '}'"),
      ("é🇨🇭}", 1, 3, "single '}'"),
      ("{", 1, 1, "unmatched '{'"),
      ("x {A", 1, 3, "unmatched '{'"),
      ("{{{A}}", 1, 6, "single '}'"),
      ("{{{", 1, 3, "unmatched '{'"),
      ("if x; then {\n  true\n", 1, 12, "unmatched '{'"),
      ("{}", 1, 1, "without the name of a field"),
      ("{ A }", 1, 1, "without the name of a field"),
      ("a\n{\n}", 2, 1, "without the name of a field"),
      ("{\"a\": 1}", 1, 1, "without the name of a field"),
      ("{A{B}}", 1, 1, "without the name of a field"),
      ("{A B}", 1, 1, "without the name of a field"),
      ("{Ä}", 1, 1, "without the name of a field"),
      ("{0}", 1, 1, "unknown field '{0}'"),
      ("${HOME}", 1, 2, "unknown field '{HOME}'"),
      ("${HOME:-x}", 1, 2, "unknown field '{HOME}'"),
      ("{a}", 1, 1, "known fields are {A}, {B}"),
      ("{A!r}", 1, 3, "no conversion"),
      ("{A:>10}", 1, 3, "no conversion"),
      ("{A:}", 1, 3, "no conversion"),
      ("{A.upper}", 1, 3, "no conversion"),
      ("{A[0]}", 1, 3, "no conversion"),
    ])
  func errors(text: String, line: Int, column: Int, message: String) {
    let error = #expect(throws: FormatError.self) { try FormatString(parsing: text, fields: ["A", "B"]) }
    #expect(error?.line == line)
    #expect(error?.column == column)
    #expect(error?.message.contains(message) == true)
    #expect(error?.description.hasPrefix("line \(line), column \(column): ") == true)
  }

  @Test("gives the fields used and the text between them")
  func parts() throws {
    let format = try FormatString(parsing: "a{{{A}}}{A}", fields: ["A", "B"])
    #expect(format.used == ["A"])
    #expect(format.literalParts == ["a{", "}", ""])
    #expect(try FormatString(parsing: "", fields: []).literalParts == [""])
    #expect(try FormatString(parsing: "NUL\0{B}", fields: ["B"]).literalParts == ["NUL\0", ""])
  }

  @Test("leaves a field without a value as written")
  func missingValue() throws {
    #expect(try FormatString(parsing: "{{{A}}} {B}", fields: ["A", "B"]).render(["B": "b"]) == "{{A}} b")
  }

  @Test("takes time linear in the text", .timeLimit(.minutes(1)))
  func large() throws {
    for pattern in ["echo ${{X}} {A}\n", "{{", "{A}", "x", "é\n"] {
      let text = String(repeating: pattern, count: 200_000 / pattern.utf8.count)
      let rendered = try FormatString(parsing: text, fields: ["A"]).render(["A": "v"])
      #expect(!rendered.isEmpty)
      #expect(throws: FormatError.self) { try FormatString(parsing: text + "}", fields: ["A"]) }
    }
    let unclosed = "{" + String(repeating: "A", count: 200_000)
    #expect(throws: FormatError.self) { try FormatString(parsing: unclosed, fields: ["A"]) }
    let unknown = #expect(throws: FormatError.self) { try FormatString(parsing: unclosed + "}", fields: ["A"]) }
    #expect((unknown?.message.utf8.count ?? .max) < 200)
  }

  /// Python is the reference, on texts of the fields, braces and bytes that matter to it.
  @Test("agrees with Python's str.format", .enabled(if: FileManager.default.isExecutableFile(atPath: Python.path)))
  func python() throws {
    let name = "DOWNSTREAM_PARAMETERS"
    let pieces = ["{", "}", "{{", "}}", "{\(name)}", name, "x", "\r\n", "é🇨🇭", " ", "{}", "{0}"]
    var texts = [
      "", "}}}", "{{{\(name)}}}", "{\(name)", "}{", "{other}", "a{{b}}c\n{\(name)}\n", "{ \(name)}", "{\(name) }",
    ]
    for first in pieces {
      for second in pieces {
        for third in pieces { texts.append(first + second + third) }
      }
    }
    let value = "V{}'\""
    let expected = try Python.format(texts, field: name, value: value)
    for (text, expected) in zip(texts, expected) {
      let rendered = try? FormatString(parsing: text, fields: [name]).render([name: value])
      #expect(rendered == expected, "\(text.debugDescription)")
    }
  }

  @Test(
    "refuses the formatting that Python would do", arguments: ["{A!r}", "{A:>10}", "{A:}", "{A.upper}", "{A[0]}"])
  func narrowerThanPython(text: String) {
    #expect(throws: FormatError.self) { try FormatString(parsing: text, fields: ["A"]) }
  }
}

private enum Python {
  static let path = "/usr/bin/python3"

  /// What `str.format` makes of each text; nil where it raises.
  static func format(_ texts: [String], field: String, value: String) throws -> [String?] {
    let program = """
      import json, sys
      texts, field, value = json.load(sys.stdin)
      def formatted(text):
        try: return text.format(**{field: value})
        except Exception: return None
      json.dump([formatted(text) for text in texts], sys.stdout)
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = ["-c", program]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    let question: [Any] = [texts, field, value]
    try input.fileHandleForWriting.write(contentsOf: JSONSerialization.data(withJSONObject: question))
    try input.fileHandleForWriting.close()
    let answer = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return try JSONDecoder().decode([String?].self, from: answer)
  }
}

import Foundation
import Templates
import Testing

@Suite("ShellTemplate")
struct ShellTemplateTests {
  @Sendable static func quote(_ text: String) -> String {
    "'" + text.replacing("'", with: #"'\''"#) + "'"
  }

  static func render(_ text: String, _ values: [String: TemplateValue]) throws -> String {
    try ShellTemplate(text, quote: quote).render(values)
  }

  static let values: [String: TemplateValue] = [
    "name": "it's $(rm) <&>", "empty": "", "yes": true, "no": false, "none": .list([]),
    "gpus": .list([["id": "0", "name": "inner"], ["id": "1 "]]),
  ]

  @Test(
    "renders tags",
    arguments: [
      ("", ""),
      ("no tag\n", "no tag\n"),
      ("echo {{name}}\n", #"echo 'it'\''s $(rm) <&>'"# + "\n"),
      ("echo {{ name }}", #"echo 'it'\''s $(rm) <&>'"#),
      ("echo {{{name}}}{{& name}}", "echo it's $(rm) <&>it's $(rm) <&>"),
      ("{{empty}}", "''"),
      ("{{yes}} {{{no}}}", "'true' false"),
      ("{{#yes}}a{{/yes}}{{#no}}b{{/no}}{{^no}}c{{/no}}{{^yes}}d{{/yes}}", "ac"),
      ("{{#empty}}a{{/empty}}{{^empty}}b{{/empty}}{{#name}}c{{/name}}", "bc"),
      ("{{#name}}-n {{name}}{{/name}}", #"-n 'it'\''s $(rm) <&>'"#),
      ("{{#name}}-n {{.}}{{/name}}", #"-n 'it'\''s $(rm) <&>'"#),
      ("{{#gpus}}{{id}},{{/gpus}}{{#none}}x{{/none}}{{^none}}none {{yes}}{{/none}}", "'0','1 ',none 'true'"),
      ("{{#gpus}}{{{name}}}|{{/gpus}}", "inner|it's $(rm) <&>|"),
      ("a{{! {{name }} b", "a b"),
    ])
  func rendering(template: String, expected: String) throws {
    #expect(try Self.render(template, Self.values) == expected)
  }

  @Test("never reads a value as a template", arguments: ["{{no}}", "{{{name}}}", "{{#x}}", "{{% CONTENT_TYPE: HTML}}"])
  func valueWithTags(value: String) throws {
    #expect(try Self.render("{{v}} {{{v}}}", ["v": .text(value)]) == "'\(value)' \(value)")
  }

  @Test(
    "keeps the lines of a script",
    arguments: [
      // A tag alone on its line takes the line with it.
      ("a\n{{#yes}}\nb\n{{/yes}}\nc\n", "a\nb\nc\n"),
      ("a\n  {{#yes}}  \n  b\n  {{/yes}}\nc\n", "a\n  b\nc\n"),
      ("a\n{{#no}}\nb\n{{/no}}\nc\n", "a\nc\n"),
      ("a\r\n{{#yes}}\r\nb\r\n{{/yes}}\r\nc\r\n", "a\r\nb\r\nc\r\n"),
      ("a\n{{! why }}\nb\n", "a\nb\n"),
      ("{{#gpus}}\nx {{id}}\n{{/gpus}}\n", "x '0'\nx '1 '\n"),
      // A value's does not.
      ("a\n{{name}}\n\nb", #"a"# + "\n" + #"'it'\''s $(rm) <&>'"# + "\n\nb"),
      ("\t{{empty}}\n", "\t''\n"),
      // A section within a line stays within it.
      ("a {{#yes}}b{{/yes}}\nc\n", "a b\nc\n"),
      ("  a{{#no}} b{{/no}} \\\n  c\n", "  a \\\n  c\n"),
      // Leading lines and blanks belong to the template, not to the pragma that Weir puts before them.
      ("\n\n#!/bin/sh\n", "\n\n#!/bin/sh\n"),
      ("  #x\n", "  #x\n"),
      ("\r\nx", "\r\nx"),
      // Trailing blanks are the one thing Mustache drops.
      ("a\n  ", "a\n"),
    ])
  func lines(template: String, expected: String) throws {
    #expect(try Self.render(template, Self.values) == expected)
  }

  @Test("does not indent the lines of a value")
  func multilineValue() throws {
    #expect(try Self.render("{{#yes}}\n  {{{v}}}\n{{/yes}}\n", ["yes": true, "v": "a\nb\n"]) == "  a\nb\n\n")
  }

  @Test(
    "refuses a name without a value, saying where",
    arguments: [
      ("{{nmae}}", 1, 1), ("a\n  {{{nmae}}}", 2, 3), ("\n\n{{#nmae}}x{{/nmae}}", 3, 1), ("{{^nmae}}x{{/nmae}}", 1, 1),
      ("{{#yes}}{{nmae}}{{/yes}}", 1, 9), ("{{#gpus}}{{nmae}}{{/gpus}}", 1, 10), ("{{^none}}{{nmae}}{{/none}}", 1, 10),
      ("{{#name}}{{nmae}}{{/name}}", 1, 10),
    ])
  func unknownName(template: String, line: Int, column: Int) {
    let error = #expect(throws: TemplateError.self) { try Self.render(template, Self.values) }
    #expect(error?.description == "line \(line), column \(column): there is no value for 'nmae'")
  }

  @Test("refuses a name that only some elements have")
  func partlyUnknownName() {
    let values: [String: TemplateValue] = ["gpus": .list([["id": "0"], ["uuid": "1"]])]
    #expect(throws: TemplateError.self) { try Self.render("{{#gpus}}{{id}}{{/gpus}}", values) }
  }

  @Test(
    "refuses a list or an element where a text belongs",
    arguments: ["{{gpus}}", "{{{none}}}", "{{.}}", "{{#gpus}}{{.}}{{/gpus}}", "{{^none}}{{{.}}}{{/none}}"])
  func noText(template: String) {
    #expect(throws: TemplateError.self) { try Self.render(template, Self.values) }
  }

  @Test(
    "refuses a tag it does not promise",
    arguments: [
      ("{{> part}}", 1, 1), ("{{<part}}{{/part}}", 1, 1), ("a\n{{$block}}{{/block}}", 2, 1), ("{{=<% %>=}}", 1, 1),
      ("{{% CONTENT_TYPE: HTML}}", 1, 1), ("x {{name.first}}", 1, 3), ("{{.name}}", 1, 1),
      ("{{uppercased(name)}}", 1, 1),
      ("{{#reversed(gpus)}}{{/reversed(gpus)}}", 1, 1), ("{{#gpus}}{{index()}}{{/gpus}}", 1, 10), ("{{}}", 1, 1),
      ("{{ }}", 1, 1), ("{{na me}}", 1, 1), ("{{é}}", 1, 1), ("{{\nname}}", 1, 1), ("{{{{name}}}}", 1, 1),
      ("é {{name", 1, 3), ("{{{name}}", 1, 1), ("{{", 1, 1), ("{{#yes}}", 1, 9), ("a\n\n{{/yes}}", 3, 4),
      ("{{#yes}}\n{{#no}}\n{{/yes}}\n{{/no}}", 3, 4),
    ])
  func refusedTag(template: String, line: Int, column: Int) {
    let error = #expect(throws: TemplateError.self) { try ShellTemplate(template, quote: Self.quote) }
    #expect(error?.line == line)
    #expect(error?.column == column)
  }

  @Test("keeps each template's own quoting, made and rendered at once")
  func quotingIsPerTemplate() async throws {
    try await withThrowingTaskGroup(of: (Int, String).self) { group in
      for number in 0..<200 {
        group.addTask {
          let template = try ShellTemplate("{{v}}", quote: { "\(number):\($0)" })
          return (number, try template.render(["v": "x"]))
        }
      }
      for try await (number, rendered) in group { #expect(rendered == "\(number):x") }
    }
  }

  @Test("renders a large value")
  func largeValue() throws {
    let script = String(repeating: "echo 'é' {{x}}\n", count: 70_000)
    #expect(try Self.render("{{{v}}}", ["v": .text(script)]) == script)
  }

  @Test("gives the shell exactly the value", arguments: ["it's", "$(id)`id`", "a\nb\\", "{{x}}", "", "é \t*"])
  func throughTheShell(value: String) throws {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", try Self.render("v={{v}}\nprintf %s \"$v\"\n", ["v": .text(value)])]
    process.standardOutput = output
    try process.run()
    let printed = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(String(decoding: printed, as: UTF8.self) == value)
  }
}

import Testing

@testable import HTTP

@Suite("Error texts")
struct ErrorTextTests {
  @Test(
    "What nobody can see, or what steers a terminal, is shown escaped",
    arguments: [
      ("\u{0}", "\\u0000"), ("\u{1b}", "\\u001b"), ("\u{7f}", "\\u007f"), ("\u{80}", "\\u0080"),
      ("\u{9b}", "\\u009b"), ("\u{ad}", "\\u00ad"), ("\u{200b}", "\\u200b"), ("\u{200d}", "\\u200d"),
      ("\u{200e}", "\\u200e"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029"), ("\u{202a}", "\\u202a"),
      ("\u{202e}", "\\u202e"), ("\u{2060}", "\\u2060"), ("\u{2066}", "\\u2066"), ("\u{2069}", "\\u2069"),
      ("\u{feff}", "\\ufeff"), ("\u{34f}", "\\u034f"), ("\u{115f}", "\\u115f"), ("\u{3164}", "\\u3164"),
      ("\u{fe0f}", "\\ufe0f"), ("\u{fffe}", "\\ufffe"), ("\u{e0041}", "\\udb40\\udc41"), ("\n", "\\n"),
      ("\r", "\\r"), ("\t", "\\t"), ("\"", "\\\""), ("\\", "\\\\"),
    ])
  func escaped(text: String, shown: String) {
    #expect(
      String(decoding: HTTPError(.badRequest, code: "c", "a\(text)b").body, as: UTF8.self)
        == "{\"code\":\"c\",\"error\":\"a\(shown)b\"}\n")
  }

  @Test("What people write stays as it is", arguments: ["J\u{f6}rg", "e\u{301}", "日本語", "🙂", "a b", "עברית"])
  func kept(text: String) {
    #expect(String(decoding: HTTPError(.badRequest, code: "c", text).body, as: UTF8.self).contains("\"\(text)\""))
  }
}

extension HTTPError {
  fileprivate var body: [UInt8] { if case .bytes(let bytes) = response.body { bytes } else { [] } }
}

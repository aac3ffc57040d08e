import Support
import Testing

@Suite("Texts as a reader sees them")
struct VisibleTextTests {
  @Test("What cannot be seen is escaped, and the rest stays")
  func escaped() {
    #expect("a\u{7f}b\u{85}c\u{202e}d\u{200b}e\n".visible() == "a\\u{7F}b\\u{0085}c\\u{202E}d\\u{200B}e\\n")
    #expect("J\u{f6}rg e\u{301} \u{65e5}".visible() == "J\u{f6}rg e\u{301} \u{65e5}")
  }

  @Test("A text is cut by its bytes, so that one character of many scalars is cut too")
  func cut() {
    #expect(("x" + String(repeating: "\u{301}", count: 1000)).beginning(atMost: 9).utf8.count == 9 + 3)
    #expect("abc".beginning(atMost: 3) == "abc" && "abcd".beginning(atMost: 3) == "abc…")
  }
}

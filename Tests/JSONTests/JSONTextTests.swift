import Testing

@testable import JSON

@Suite("JSON as the upstream knows it")
struct JSONTextTests {
  /// The right column is what Python's json.dumps(ensure_ascii=True, sort_keys=True, separators=(",", ":")) writes.
  @Test(
    "Text is escaped as Python escapes it",
    arguments: [
      ("", ""),
      (
        String(String.UnicodeScalarView((0..<0x21).compactMap(Unicode.Scalar.init))),
        #"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f\u0010\u0011\u0012\u0013\u0014\u0015"#
          + #"\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f "#
      ),
      ("~\u{7f}\u{80}\u{a0}\u{ff}", #"~\u007f\u0080\u00a0\u00ff"#),
      (#""\/'<>&"#, #"\"\\/'<>&"#),
      ("\u{2028}\u{2029}\u{feff}\u{fffd}\u{ffff}", #"\u2028\u2029\ufeff\ufffd\uffff"#),
      ("\u{1F600}\u{e9}\u{301}\u{1D11E}", #"\ud83d\ude00\u00e9\u0301\ud834\udd1e"#),
      ("\r\n", #"\r\n"#),
    ])
  func strings(text: String, expected: String) {
    #expect(JSONText.encode(.string(text)) == Array("\"\(expected)\"\n".utf8))
  }

  @Test("Values are compact, keys sorted by code point, with one newline at the end")
  func values() {
    let value = JSONText.Value.object([
      "b": [.int(1), .int(-9), .null, true, false, [], .object([:])],
      "a": .object(["Z": .int(1), "a": .int(2), "_": .int(3), "": .int(4)]), "z": .int(.max),
    ])
    let expected =
      #"{"a":{"":4,"Z":1,"_":3,"a":2},"b":[1,-9,null,true,false,[],{}],"z":9223372036854775807}"# + "\n"
    #expect(JSONText.encode(value) == Array(expected.utf8))
  }
}

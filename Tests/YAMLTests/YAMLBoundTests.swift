import Testing
import Yams

@testable import YAML

@Suite("What a YAML text may hold")
struct YAMLBoundTests {
  private let fault = "has aliases in keys that are lists or mappings"

  @Test(
    "An alias in a key that may be a list or a mapping is refused",
    arguments: [
      "a: &a [x]\n? *a\n: y\n", "a: &a [x]\n? [*a]\n: y\n", "a: &a [x]\n? - *a\n: y\n", "a: &a [x]\n[*a]: y\n",
      "a: &a [x]\n[x, *a] : y\n", "a: &a [x]\n{*a : z}: y\n", "a: &a [x]\n*a : y\n", "a: &a [x]\nb: {*a : y}\n",
      "a: &a [x]\nb: {[*a]:y}\n", "a: &a [x]\nb: {? [*a] : y}\n", "a: &a [x]\nb: {?[*a] : y}\n",
      "a: &a [x]\nb: [x, ? *a : y]\n", "a: &a [x]\nb:\n- ? *a\n", "a: &a [x]\nb:\n- ?\n    *a\n",
      "- &a [x]\n- ?\t*a\n", "? &a [x]\n: ? *a\n", "- &a-1_b [x]\n- [*a-1_b]: y", "- &a [x]\r- ? *a\r",
      "- &a [x]\u{2028}? *a\n",
    ])
  func aliasesInKeys(text: String) {
    #expect(YAMLBound.fault(in: text.utf8) == fault)
  }

  @Test(
    "Other aliases, keys and texts are accepted",
    arguments: [
      "", "a: &a [x]\nb: *a\nc: [*a, *a]\nd: {e: *a}\n", "a: &a {b: c}\nd: {<<: *a, e: f}\n", "? [x, y]\n: z\n",
      "[x]: y\n{z: a}: b\n", "a: &a b\nc: *a\nd: |\n  PATH=${PATH}:/x; echo $((a ? b : c)); rm *a.tmp\n",
      "a: &a b\nc: *a\nd: what is this ? that\n", "a: |\n  ls *a ]: && echo\n", "a: &a b\nc: [*a, x]\nd: [y]\n",
      "{\"&a\": \"*a]: x\"}", "- '&a '\n- '*a : y'\n", "- |\n  &a *a ]: ? x\n  ? y\n", "a: *", "a: &", "a: ?", ":",
      "a: &a\n*",
    ])
  func others(text: String) {
    #expect(YAMLBound.fault(in: text.utf8) == nil)
  }

  @Test("What aliases repeat is counted as often", arguments: [(16, false), (17, true)])
  func values(levels: Int, isRefused: Bool) throws {
    let lists = (1...levels).map { "- &a\($0) [*a\($0 - 1), *a\($0 - 1)]\n" }.joined()
    let root = try #require(try Yams.compose(yaml: "- &a0 x\n" + lists))
    let fault = "has more than 500000 values once its aliases are expanded"
    #expect(YAMLBound.fault(in: root) == (isRefused ? fault : nil))
  }
}

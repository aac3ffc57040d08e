import Testing

@testable import LegacyAPI

@Suite("Warnings about a script of very many names")
struct ScriptBoundTests {
  /// Names that are like none that is read: each is compared with all of those.
  private func script(_ count: Int, _ last: String) -> String {
    (0..<count).map { "JARVICE_C_SOMETHING_ELSE_\($0)=1\n" }.joined() + last + "=1\n"
  }

  @Test("A thousand names are compared with the known ones, and no more", arguments: [0, 999, 1000, 100_000])
  func bound(count: Int) {
    let warnings = ScriptLines(script(count, "JOBOBJ_GPU")).warnings
    #expect(warnings.count == (count < 1000 ? 1 : 0))
    #expect(warnings.allSatisfy { $0.contains("is JOBOBJ_GPUS meant?") })
  }

  @Test("After ten warnings nothing more is compared")
  func ten() {
    let script = (0..<100_000).map { "JOBOBJ_X\($0)=1\n" }.joined()
    let warnings = ScriptLines(script).warnings
    #expect(warnings.count == 11 && warnings.last?.contains("more names") == true)
  }

  @Test("A line that is long is no name, and costs nothing")
  func longLines() {
    let script = (0..<100).map { "JOBOBJ_\(String(repeating: "X", count: 100_000))\($0)=1\n" }.joined()
    #expect(ScriptLines(script).warnings == [])
  }
}

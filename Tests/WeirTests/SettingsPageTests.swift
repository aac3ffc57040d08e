import Foundation
import Testing

@testable import weir

@Test("The table of settings in docs/settings.md is the one that `weir config --markdown` prints")
func settingsTable() throws {
  let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let page = try String(contentsOf: root.appendingPathComponent("docs/settings.md"), encoding: .utf8)
  let comment = try #require(page.range(of: "<!-- settings:"))
  let start = try #require(page.range(of: "-->\n", range: comment.lowerBound..<page.endIndex))
  let end = try #require(page.range(of: "<!-- /settings -->"))
  #expect(page[start.upperBound..<end.lowerBound] == "\n" + Settings.markdown + "\n")
}

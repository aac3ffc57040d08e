import Foundation
import Testing

@testable import weir

@Test("The README's table of settings is the one that `weir config --markdown` prints")
func readmeTable() throws {
  let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
  let comment = try #require(readme.range(of: "<!-- settings:"))
  let start = try #require(readme.range(of: "-->\n", range: comment.lowerBound..<readme.endIndex))
  let end = try #require(readme.range(of: "<!-- /settings -->"))
  #expect(readme[start.upperBound..<end.lowerBound] == "\n" + Settings.markdown + "\n")
}

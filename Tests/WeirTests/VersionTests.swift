import Foundation
import Testing

@testable import weir

@Test("CHANGELOG.md has a section for this version: Unreleased while it is being developed")
func changelog() throws {
  let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let text = try String(contentsOf: root.appendingPathComponent("CHANGELOG.md"), encoding: .utf8)
  let first = try #require(text.split(separator: "\n").first { $0.hasPrefix("## ") })
  if Weir.version.hasSuffix("-dev") {
    #expect(first == "## [Unreleased]")
  } else {
    #expect(first.hasPrefix("## [\(Weir.version)] - 20"))
  }
}

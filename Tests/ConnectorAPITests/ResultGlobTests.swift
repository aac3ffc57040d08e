import Foundation
import JobModel
import Testing

@testable import ConnectorAPI

@Suite("Globs name files below the job's directory, and nothing else")
struct ResultGlobTests {
  @Test(
    "What is no such pattern is refused",
    arguments: [
      "", "/etc/passwd", "..", "../x", "a/../b", "a/..", "./", "a\0b", "a**", "*/**", "**/a/b", "**/**", "a*/**/b",
    ]
  )
  func refused(glob: String) { #expect(throws: JobError.self) { try ResultGlob(glob) } }

  @Test("Each becomes tests of find")
  func tests() throws {
    #expect(try ResultGlob("*.tsv").tests == ["(", "-path", "work/*.tsv", "!", "-path", "work/*/*", ")"])
    #expect(try ResultGlob("./out//x").tests == ["(", "-path", "work/out/x", "-o", "-path", "work/out/x/*", ")"])
    #expect(try ResultGlob("**").tests == ["(", "-path", "work/*", ")"])
    #expect(try ResultGlob("a/b/**/-x*").tests == ["(", "-path", "work/a/b/*", "-name", "-x*", ")"])
  }
}

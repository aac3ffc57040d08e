import Foundation
import Support
import Testing

@Suite("What tells two versions of a file apart")
struct FileStampTests {
  private let path = FileManager.default.temporaryDirectory.appendingPathComponent("stamp-\(UUID().uuidString)").path

  @Test("New contents, another mode and another file in its place are changes; being read is none")
  func changes() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(FileStamp(path: path) == .missing)
    var known = FileStamp.missing
    func hasChanged() -> Bool {
      defer { known = FileStamp(path: path) }
      return known != FileStamp(path: path)
    }
    try "one".write(toFile: path, atomically: false, encoding: .utf8)
    #expect(hasChanged())
    _ = try String(contentsOfFile: path, encoding: .utf8)
    #expect(!hasChanged())
    try "three".write(toFile: path, atomically: false, encoding: .utf8)
    #expect(hasChanged())
    try "seven".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(hasChanged())
    try FileManager.default.removeItem(atPath: path)
    #expect(hasChanged() && known == .missing)
  }
}

import Foundation
import Testing

@testable import Support

@Suite("Opening a file that a setting names")
struct OpenFileTests {
  private let directory = FileManager.default.temporaryDirectory.path + "/weir-test-\(UUID().uuidString)"

  init() throws { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true) }

  @Test("A regular file has its size, and is closed at the end")
  func regular() throws {
    let path = directory + "/file"
    try Data("abc".utf8).write(to: URL(fileURLWithPath: path))
    let descriptor = try {
      let file = try OpenFile(path)
      #expect(file.isRegular && file.size == 3)
      return file.descriptor
    }()
    // Somebody else may have the number by now, and never this file.
    #expect((try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) != path)
    #expect(UnreadableFile.reason(path) == nil)
    #expect(try BoundedFile.read(path, most: 3) == Array("abc".utf8))
  }

  @Test("A pipe without a writer is not waited for")
  func pipe() throws {
    let path = directory + "/pipe"
    try #require(mkfifo(path, 0o600) == 0)
    #expect(try !OpenFile(path).isRegular)
    #expect(UnreadableFile.reason(path) == nil)
    #expect(throws: BoundedFile.Unreadable(description: "is not a regular file")) {
      try BoundedFile.read(path, most: 3)
    }
  }

  @Test(
    "What cannot be opened has a reason",
    arguments: [("/missing", "no such file or directory"), ("", "it is a directory")])
  func reasons(name: String, reason: String) {
    #expect(UnreadableFile.reason(directory + name) == reason)
    #expect(throws: BoundedFile.Unreadable(description: "cannot be read: \(reason)")) {
      try BoundedFile.read(directory + name, most: 3)
    }
  }
}

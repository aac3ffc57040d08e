import Foundation
import Testing

@testable import GPUConnector

@Suite("Copies of a state directory")
struct CopiedStateTests {
  private let identity = DirectoryIdentity(inode: 5, device: 7, boot: "a")

  private func directory() throws -> URL {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-copy-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    return directory
  }

  @Test("A copy has an id of its own, one that was moved keeps it")
  func copied() throws {
    let first = try directory()
    let (copy, moved) = (URL(fileURLWithPath: first.path + "-copy"), URL(fileURLWithPath: first.path + "-moved"))
    defer { for url in [copy, moved] { try? FileManager.default.removeItem(at: url) } }
    let id = try RootOwner(stateDirectory: first.path).id
    try FileManager.default.copyItem(at: first, to: copy)
    let other = try RootOwner(stateDirectory: copy.path).id
    #expect(other != id)
    #expect(try RootOwner(stateDirectory: copy.path).id == other)
    try FileManager.default.moveItem(at: first, to: moved)
    #expect(try RootOwner(stateDirectory: moved.path).id == id)
  }

  @Test(
    "One directory is known by its inode, and by its device until a reboot",
    arguments: [
      (DirectoryIdentity(inode: 5, device: 7, boot: "a"), true),
      // A reboot may number devices otherwise.
      (DirectoryIdentity(inode: 5, device: 8, boot: "b"), true),
      (DirectoryIdentity(inode: 5, device: 7, boot: "b"), true),
      // A snapshot of the whole file system that is mounted too.
      (DirectoryIdentity(inode: 5, device: 8, boot: "a"), false),
      (DirectoryIdentity(inode: 6, device: 7, boot: "a"), false),
      (DirectoryIdentity(inode: 6, device: 7, boot: "b"), false),
    ])
  func known(later: DirectoryIdentity, isSame: Bool) throws {
    let url = try directory()
    defer { try? FileManager.default.removeItem(at: url) }
    let first = try RootOwner(stateDirectory: url.path, identity: identity, place: "p")
    let second = try RootOwner(stateDirectory: url.path, identity: later, place: "q")
    #expect((second.id == first.id) == isSame)
    // What is kept is what was seen last.
    #expect(try RootOwner(stateDirectory: url.path, identity: later, place: "q").id == second.id)
  }

  @Test(
    "An id without a directory that is known may be a copy's",
    arguments: [
      "0123456789abcdefghij\n", "0123456789abcdefghij", "0123456789abcdefghij 5 7\n", "x 5 7 a\n", "\u{0}", "",
    ])
  func damaged(text: String) throws {
    let url = try directory()
    defer { try? FileManager.default.removeItem(at: url) }
    try Data(text.utf8).write(to: url.appendingPathComponent("owner"))
    let owner = try RootOwner(stateDirectory: url.path, identity: identity, place: "p")
    #expect(owner.id != "0123456789abcdefghij" && owner.id != "x")
    #expect(try RootOwner(stateDirectory: url.path, identity: identity, place: "p").id == owner.id)
  }
}

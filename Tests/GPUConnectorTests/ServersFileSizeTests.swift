import Foundation
import SSH
import Support
import Testing

@testable import GPUConnector

@Suite("A servers file is read within bounds")
struct ServersFileSizeTests {
  private func faults(_ text: String) -> [String] {
    do throws(ServersFile.Invalid) {
      _ = try ServersFile(text: text, readKey: PrivateKey.reader(passphrase: ""))
      return []
    } catch {
      return error.faults.map(\.description)
    }
  }

  @Test(
    "One of too many entries is refused before anything is made of it",
    arguments: ["a: b\n", "- a\n", "? a\n", "[a,", "{a,", "a,", "- - - \n"])
  func entries(text: String) {
    let found = faults(String(repeating: text, count: 200_000))
    #expect(found == ["the file has more than 100000 entries"])
  }

  @Test("Text that is long has few entries")
  func text() {
    let line = "    echo nothing-here - and here\n"
    let found = faults("servers:\n- preamble: |\n" + String(repeating: line, count: 20_000))
    #expect(!found.isEmpty && !found.joined().contains("entries"))
  }

  @Test("One with aliases in a key, each of which may double what is hashed, is refused")
  func aliasesInKeys() {
    let levels = (1...40).map { "&a\($0) [*a\($0 - 1), *a\($0 - 1)]" }.joined(separator: ",\n  ")
    let found = faults("servers:\n- ? [&a0 [x, x],\n  \(levels)]\n  : y\n")
    #expect(found == ["the file has aliases in keys that are lists or mappings"])
  }

  @Test("What aliases repeat is counted as often")
  func repeatedLists() {
    let servers = String(repeating: "- {name: a, preamble: *p}\n", count: 1000)
    let lines = String(repeating: "- x\n", count: 1000)
    let found = faults("servers:\n- name: b\n  preamble: &p\n" + lines.replacing("- ", with: "  - ") + servers)
    #expect(found == ["the file has more than 500000 values once its aliases are expanded"])
  }

  @Test("A key file that is too large is named, and is not waited for when it is a pipe")
  func keyFile() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let (large, pipe) = (directory.path + "/large", directory.path + "/pipe")
    try Data(repeating: 0x20, count: 65_537).write(to: URL(fileURLWithPath: large))
    try #require(mkfifo(pipe, 0o600) == 0)
    for (path, reason) in [(large, "more than 65536 bytes"), (pipe, "not a regular file")] {
      let found = faults("servers:\n- {name: a, host: h, user: kirby, key_file: \(path), slots: 1}\n")
      #expect(found.contains { $0.contains("key_file: \(path) ") && $0.contains(reason) }, "\(found)")
    }
  }
}

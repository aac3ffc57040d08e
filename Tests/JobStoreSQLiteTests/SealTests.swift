import Foundation
import Testing

@testable import JobStoreSQLite

@Suite struct SealTests {
  @Test func onlyTheSameKeyOpensWhatNobodyChanged() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-seal-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let seal = try Seal(path: directory.path + "/a")
    for plain in [[], Array("x".utf8), [UInt8](repeating: 7, count: 100_000)] {
      let sealed = try seal.close(plain)
      #expect(seal.open(sealed) == plain)
      #expect(try Seal(path: directory.path + "/a").open(sealed) == plain)
      #expect(try Seal(path: directory.path + "/b").open(sealed) == nil)
      for index in [0, 13, sealed.count - 1] {
        var changed = sealed
        changed[index] ^= 1
        #expect(seal.open(changed) == nil)
      }
    }
    #expect(seal.open([UInt8]([1, 2, 3])) == nil)
    #expect(try seal.close([1]) != seal.close([1]))
  }
}

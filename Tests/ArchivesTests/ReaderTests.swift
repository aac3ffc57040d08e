import Foundation
import Testing

@testable import Archives

@Suite("Archives are read as GNU tar writes them")
struct ReaderTests {
  static let formats = ["v7", "ustar", "oldgnu", "gnu", "posix"]
  static let long = String(repeating: "long name ", count: 20)

  @Test("Every format of GNU tar: names, links, sizes and times", arguments: formats)
  func everyFormat(format: String) throws {
    try inDirectory { directory in
      let manager = FileManager.default
      let deep = format == "v7" ? "a/b" : "a/" + String(repeating: "directory/", count: 9) + "b"
      try manager.createDirectory(
        at: directory.appendingPathComponent("in/" + deep), withIntermediateDirectories: true)
      try Data(repeating: 1, count: 12345).write(to: directory.appendingPathComponent("in/\(deep)/file"))
      try Data().write(to: directory.appendingPathComponent("in/empty"))
      _ = try output(
        of: [
          "sh", "-c",
          "touch -d @1600000000 in/empty && ln -s ../empty in/a/link && ln in/empty in/twin && chmod 750 in/empty",
        ], in: directory)
      let archive = try output(of: ["tar", "-czf", "-", "--format=\(format)", "-C", "in", "."], in: directory)
      let found = Dictionary(try entries(of: archive).map { (String(decoding: $0.path, as: UTF8.self), $0) }) { $1 }
      #expect(found["./\(deep)/file"]?.size == 12345)
      #expect(found["./a/link"]?.kind == .symbolicLink && found["./a/link"]?.target == Array("../empty".utf8))
      #expect(found["./"]?.kind == .directory)
      let twins = [found["./empty"], found["./twin"]].compactMap(\.self)
      #expect(Set(twins.map { "\($0.kind)" }) == ["file", "hardLink"])
      #expect(twins.allSatisfy { $0.modified == 1_600_000_000 && $0.size == 0 && $0.mode == 0o750 })
      let summary = try check(archive, entryPoint: "\(deep)/file")
      #expect(summary.contents == 12345 && summary.entries == found.count)
    }
  }

  @Test("Long names and targets, and names of any bytes", arguments: ["gnu", "posix"])
  func names(format: String) throws {
    try inDirectory { directory in
      try FileManager.default.createDirectory(
        at: directory.appendingPathComponent("in"), withIntermediateDirectories: true)
      _ = try output(
        of: [
          "sh", "-c",
          #"cd in && touch -- "$1" "-n" "$(printf 'new\nline')" "$(printf '\377\376')" 'ü' && ln -s "$1" "link of $1""#,
          "sh",
          Self.long,
        ], in: directory)
      let archive = try output(of: ["tar", "-czf", "-", "--format=\(format)", "-C", "in", "."], in: directory)
      let paths = Set(try entries(of: archive).map(\.path))
      let names = [Self.long, "link of \(Self.long)", "-n", "new\nline", "ü", ""].map { Array("./\($0)".utf8) }
      #expect(paths == Set(names + [[0x2e, 0x2f, 0xff, 0xfe]]))
      let link = try entries(of: archive).first { $0.kind == .symbolicLink }
      #expect(link?.target == Array(Self.long.utf8))
      #expect(try check(archive).needsPax == (format == "posix"))
    }
  }

  @Test("A file of more than 8 GB, whose size is no octal number, and its end too early")
  func large() throws {
    for pax in [false, true] {
      var tar = Tar()
      if pax { tar.addPax(("size", "9000000000")) }
      tar.add("large", size: 0) { header in
        if !pax { header.replaceSubrange(124..<136, with: [0x80, 0, 0, 0, 0, 0, 0, 2, 0x18, 0x71, 0x1a, 0]) }
      }
      let reader = try ArchiveReader()
      var sizes: [Int] = []
      try reader.read(gzip(tar.bytes)) { sizes.append($0.size) }
      #expect(sizes == [9_000_000_000])
      #expect(throws: ArchiveFault.truncated(after: "'large'")) { try reader.finish() }
    }
  }

  @Test("What comes of an archive does not depend on the pieces it comes in", arguments: [1, 7, 511, 4096])
  func pieces(size: Int) throws {
    let archive = try inDirectory { directory in
      try Data((0..<70_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 7) }).write(
        to: directory.appendingPathComponent("x"))
      return try output(of: ["tar", "-cz", "x", "x", "x"], in: directory)
    }
    #expect(try check(archive, pieces: size) == check(archive))
    #expect(try check(archive).contents == 70_000)
  }

  @Test("Several gzip members one after another are one file")
  func members() throws {
    var tar = Tar()
    tar.add("a", data: [1, 2, 3])
    let bytes = tar.ended
    #expect(try check(gzip(Array(bytes.prefix(600))) + gzip([]) + gzip(Array(bytes.dropFirst(600)))).entries == 1)
  }

  @Test("An empty archive is one")
  func empty() throws { #expect(try check(Tar().archive).entries == 0) }
}

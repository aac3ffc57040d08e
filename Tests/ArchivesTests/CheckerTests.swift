import Foundation
import Testing

@testable import Archives

/// An archive that is not taken, and why.
struct Evil: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let fault: ArchiveFault
  let archive: [UInt8]

  init(_ description: String, _ fault: ArchiveFault, _ make: (inout Tar) -> Void) {
    testDescription = description
    self.fault = fault
    var tar = Tar()
    make(&tar)
    archive = tar.archive
  }

  init(_ description: String, _ fault: ArchiveFault, archive: [UInt8]) {
    testDescription = description
    self.fault = fault
    self.archive = archive
  }

  static let paths: [Evil] = [
    Evil("absolute path", .absolutePath(entry: "'/etc/passwd'")) { $0.add("/etc/passwd") },
    Evil("absolute path in pax", .absolutePath(entry: "'/etc/passwd'")) {
      $0.addPax(("path", "/etc/passwd"))
      $0.add("harmless")
    },
    Evil("absolute path in a GNU long name", .absolutePath(entry: "'/x'")) {
      $0.add("././@LongLink", type: "L", data: Array("/x\0".utf8), magic: "ustar  \0")
      $0.add("harmless", magic: "ustar  \0")
    },
    Evil("absolute by its prefix", .absolutePath(entry: "'/etc/passwd'")) {
      $0.add("passwd") { $0.replaceSubrange(345..<349, with: "/etc".utf8) }
    },
    Evil("parent", .climbs(entry: "'../x'")) { $0.add("../x") },
    Evil("parent in the middle", .climbs(entry: "'a/../../x'")) { $0.add("a/../../x") },
    Evil("parent at the end", .climbs(entry: "'a/..'")) { $0.add("a/..", type: "5") },
    Evil("NUL in a name of pax", .holdsNUL(entry: "'a\\0b'")) {
      $0.addPax(("path", "a\0b"))
      $0.add("x")
    },
    Evil("NUL in a long name", .holdsNUL(entry: "'a\\0b'")) {
      $0.add("././@LongLink", type: "L", data: Array("a\0b\0".utf8))
      $0.add("x")
    },
    Evil("NUL in the middle of the header's name", .holdsNUL(entry: "'a'")) { $0.add("a\0b") },
    Evil("no name", .malformed("it has no name", entry: "the beginning")) { $0.add("") },
    Evil("a name longer than file systems have", .tooLong(entry: "'" + String(repeating: "n", count: 200) + "…'")) {
      $0.addPax(("path", String(repeating: "n", count: 256)))
      $0.add("x")
    },
  ]

  static let links: [Evil] = [
    Evil("absolute symbolic link", .leadsOut(entry: "'l'", target: "'/etc'")) { $0.add("l", type: "2", link: "/etc") },
    Evil("symbolic link out", .leadsOut(entry: "'l'", target: "'../x'")) { $0.add("l", type: "2", link: "../x") },
    Evil("symbolic link out from below", .leadsOut(entry: "'a/l'", target: "'../../x'")) {
      $0.add("a/l", type: "2", link: "../../x")
    },
    Evil("symbolic link that climbs after it went down", .leadsOut(entry: "'a/l'", target: "'b/../..'")) {
      $0.add("a/l", type: "2", link: "b/../..")
    },
    Evil("symbolic link out by pax", .leadsOut(entry: "'l'", target: "'..'")) {
      $0.addPax(("linkpath", ".."))
      $0.add("l", type: "2", link: "x")
    },
    Evil("symbolic link to nothing", .leadsOut(entry: "'l'", target: "the beginning")) { $0.add("l", type: "2") },
    Evil("file through a link", .writesThrough(entry: "'l/x'")) {
      $0.add("d/", type: "5")
      $0.add("l", type: "2", link: "d")
      $0.add("l/x")
    },
    Evil("file over a link", .writesThrough(entry: "'./l'")) {
      $0.add("l", type: "2", link: "d")
      $0.add("./l")
    },
    Evil("directory over a link", .writesThrough(entry: "'l/'")) {
      $0.add("l", type: "2", link: "d")
      $0.add("l/", type: "5")
    },
    Evil("link over a directory", .conflicts(entry: "'d'")) {
      $0.add("d/x")
      $0.add("d", type: "2", link: "e")
    },
    Evil("file over a directory", .conflicts(entry: "'d'")) {
      $0.add("d/x")
      $0.add("d")
    },
    Evil("file below a file", .conflicts(entry: "'f/x'")) {
      $0.add("f")
      $0.add("f/x")
    },
    Evil("file over the top", .conflicts(entry: "'./.'")) { $0.add("./.") },
    Evil("hard link out", .leadsOut(entry: "'h'", target: "'../x'")) { $0.add("h", type: "1", link: "../x") },
    Evil("absolute hard link", .leadsOut(entry: "'h'", target: "'/etc/passwd'")) {
      $0.add("h", type: "1", link: "/etc/passwd")
    },
    Evil("hard link to a link", .leadsThrough(entry: "'a/h'", target: "'a/b/l'")) {
      $0.add("a/b/l", type: "2", link: "../../x")
      $0.add("a/h", type: "1", link: "a/b/l")
    },
    Evil("hard link through a link", .leadsThrough(entry: "'h'", target: "'l/x'")) {
      $0.add("l", type: "2", link: "d")
      $0.add("h", type: "1", link: "l/x")
    },
    Evil("hard link to what comes later", .leadsNowhere(entry: "'h'", target: "'x'")) {
      $0.add("h", type: "1", link: "x")
      $0.add("x")
    },
    Evil("file over a hard link's link", .leadsThrough(entry: "'h'", target: "'l'")) {
      $0.add("l", type: "2", link: "x")
      $0.add("h", type: "1", link: "l")
      $0.add("h")
    },
  ]

  static let forms: [Evil] = [
    Evil("character device", .unsupported("a device", entry: "'null'")) { $0.add("null", type: "3") },
    Evil("block device", .unsupported("a device", entry: "'disk'")) { $0.add("disk", type: "4") },
    Evil("FIFO", .unsupported("a FIFO", entry: "'pipe'")) { $0.add("pipe", type: "6") },
    Evil("sparse file", .unsupported("a sparse file, which not every tar can read", entry: "'s'")) {
      $0.add("s", type: "S")
    },
    Evil(
      "sparse file of pax",
      .unsupported("written in a form that not every tar can read ('GNU.sparse.name')", entry: "'PaxHeaders/x'")
    ) {
      $0.addPax(("GNU.sparse.name", "../../x"))
      $0.add("x")
    },
    Evil(
      "such a key with bytes that are no text",
      .unsupported("written in a form that not every tar can read ('GNU.\\u{01}')", entry: "'PaxHeaders/x'")
    ) {
      $0.addPax(("GNU.\u{1}", "x"))
      $0.add("x")
    },
    Evil("a part of a file", .unsupported("of the type 'M'", entry: "'x'")) { $0.add("x", type: "M") },
    Evil("directory with contents", .malformed("it has content", entry: "'d'")) {
      $0.add("d", type: "5", data: [1])
    },
    Evil("link with contents", .malformed("it has content", entry: "'l'")) {
      $0.add("l", type: "2", link: "x", data: [1])
    },
    Evil("wrong sum", .checksum(after: "'a'")) {
      $0.add("a")
      $0.add("b", spoil: { $0[0] = 0x2f })
    },
    Evil("no tar", .checksum(after: "the beginning")) { $0.bytes = [UInt8](repeating: 0x41, count: 2048) },
    Evil("size that is not a number", .malformed("its size is not a number", entry: "'x'")) {
      $0.add("x") { $0.replaceSubrange(124..<126, with: "9x".utf8) }
    },
    Evil("negative size", .malformed("its size is negative", entry: "'x'")) {
      $0.add("x") { $0.replaceSubrange(124..<136, with: [UInt8](repeating: 0xff, count: 12)) }
    },
    Evil("negative size of pax", .malformed("its size is not a number", entry: "'PaxHeaders/x'")) {
      $0.addPax(("size", "-1"))
      $0.add("x")
    },
    Evil(
      "record that is longer than its header",
      .malformed("an extended record has a wrong length", entry: "'PaxHeaders/x'")
    ) {
      $0.addPax(raw: "99 path=x\n")
      $0.add("x")
    },
    Evil("record without a length", .malformed("an extended record has no length", entry: "'PaxHeaders/x'")) {
      $0.addPax(raw: "path=x\n")
      $0.add("x")
    },
    Evil("a name for all files", .malformed("it gives one name to all files", entry: "'PaxHeaders/x'")) {
      $0.addPax(("path", "x"), type: "g")
      $0.add("y")
    },
    Evil("two names", .malformed("it has two names", entry: "'PaxHeaders/x'")) {
      $0.add("././@LongLink", type: "L", data: Array("a\0".utf8))
      $0.addPax(("path", "b"))
      $0.add("c")
    },
    Evil("a name for nothing", .malformed("no entry follows it", entry: "the beginning")) { $0.addPax(("path", "b")) },
    Evil("extension that would fill the memory", .malformed("its extension has 1048577 bytes", entry: "'x'")) {
      $0.add("x", type: "x", size: 1_048_577)
    },
    Evil("something after the end", .trailingBytes) {
      $0.add("a")
      $0.bytes = $0.ended
      $0.add("b")
    },
    Evil("something after half an end", .trailingBytes) {
      $0.add("a")
      $0.bytes += [UInt8](repeating: 0, count: 512)
      $0.add("b")
    },
  ]

  private static var good: Tar {
    var tar = Tar()
    tar.add("a", data: [UInt8](repeating: 7, count: 100_000))
    return tar
  }

  static let files: [Evil] = [
    Evil("nothing", .notGzip, archive: []), Evil("no gzip", .notGzip, archive: Array("PK\u{3}\u{4} zip".utf8)),
    Evil("plain tar", .notGzip, archive: good.ended),
    Evil("cut", .truncated(after: "'a'"), archive: Array(good.archive.dropLast(1))),
    Evil("cut in the first header", .truncated(after: "the beginning"), archive: Array(good.archive.prefix(15))),
    Evil("without its end", .truncated(after: "'a'"), archive: gzip(good.bytes)),
    Evil("cut in a file", .truncated(after: "'a'"), archive: gzip(Array(good.bytes.prefix(5000)))),
    Evil("garbage behind it", .trailingBytes, archive: good.archive + Array("garbage".utf8)),
    Evil(
      "wrong sum of gzip", .damaged("incorrect data check"),
      archive: good.archive.dropLast(8) + [1, 2, 3, 4] + good.archive.suffix(4)),
  ]
}

@Suite("What would write elsewhere, or cannot be read in one way only, is refused by name")
struct CheckerTests {
  @Test("Archives that were made for it", arguments: Evil.paths + Evil.links + Evil.forms + Evil.files)
  func evil(_ evil: Evil) throws {
    for pieces in [1 << 20, 1] {
      #expect(throws: evil.fault) { try check(evil.archive, pieces: pieces) }
    }
    #expect(!evil.fault.description.utf8.contains { $0 < 0x20 })
  }

  @Test("Links that stay inside are taken, through other links too")
  func harmless() throws {
    var tar = Tar()
    tar.add("lib/libx.so.1.2", data: [1])
    tar.add("lib/libx.so.1", type: "2", link: "libx.so.1.2")
    tar.add("lib/libx.so", type: "2", link: "libx.so.1")
    tar.add("current", type: "2", link: "lib")
    tar.add("bin/tool", type: "2", link: "./../current/libx.so")
    tar.add("top", type: "2", link: ".")
    tar.add("a/b/up", type: "2", link: "../..")
    tar.add("hard", type: "1", link: "./lib/libx.so.1.2")
    tar.add("dangling", type: "2", link: "nothing/there")
    tar.add("lib", type: "5")
    tar.add("hard", data: [2])
    tar.add("lib/libx.so", type: "2", link: "libx.so.1.2")
    tar.addPax(("comment", "0123"), type: "g")
    tar.add("..hidden..")
    #expect(try check(tar.archive).entries == 13)
    // What tar makes of it lies inside.
    try inDirectory { directory in
      try FileManager.default.createDirectory(
        at: directory.appendingPathComponent("out"), withIntermediateDirectories: true)
      _ = try output(of: ["tar", "-xzf", "-", "-C", "out"], in: directory, input: tar.archive)
      #expect(Set(try FileManager.default.contentsOfDirectory(atPath: directory.path)) == ["out", ".input"])
    }
  }

  @Test("The file that is to be run is there, and is a file")
  func entryPoint() throws {
    var tar = Tar()
    tar.add("./run.sh", data: [1])
    tar.add("d/go", data: [1])
    tar.add("link", type: "2", link: "run.sh")
    for path in ["run.sh", "./run.sh", "d/go", "d//./go"] { try check(tar.archive, entryPoint: path) }
    #expect(throws: ArchiveFault.noEntryPoint("go")) { try check(tar.archive, entryPoint: "go") }
    for path in ["d", "link"] {
      #expect(throws: ArchiveFault.entryPointIsNoFile(path)) { try check(tar.archive, entryPoint: path) }
    }
    #expect(throws: ArchiveFault.climbs(entry: "'../run.sh'")) { try check(tar.archive, entryPoint: "../run.sh") }
  }

  @Test("Limits: entries and the directories they name, bytes that are said, bytes that come")
  func limits() throws {
    var limits = ArchiveLimits()
    limits.entries = 4
    var deep = Tar()
    deep.add("a/b/c/d/e")
    #expect(throws: ArchiveFault.tooManyEntries(limit: 4)) { try check(deep.archive, limits: limits) }
    var many = Tar()
    for _ in 0..<5 { many.add("same") }
    #expect(throws: ArchiveFault.tooManyEntries(limit: 4)) { try check(many.archive, limits: limits) }
    limits = ArchiveLimits()
    limits.unpacked = 10_000
    var large = Tar()
    large.add("small", data: [1])
    large.add("large", size: 10_000)
    #expect(throws: ArchiveFault.tooLarge(limit: 10_000, entry: "'large'")) {
      try check(gzip(large.bytes), limits: limits)
    }
    let padded = gzip(Tar().ended + [UInt8](repeating: 0, count: 20_000))
    #expect(throws: ArchiveFault.tooLarge(limit: 10_000, entry: "the beginning")) { try check(padded, limits: limits) }
  }

  @Test("A bomb: much from little is refused before it has come out")
  func bomb() throws {
    var tar = Tar()
    tar.add("zeros", data: [UInt8](repeating: 0, count: 100 << 20))
    let archive = tar.archive
    #expect(archive.count < 200_000)
    #expect(throws: ArchiveFault.tooCompressed(limit: 250)) { try check(archive) }
    var limits = ArchiveLimits()
    limits.ratio = 1100
    #expect(try check(archive, limits: limits).contents == 100 << 20)
  }

  @Test("Random damage is never taken for another archive: it is refused, or gives the same entries")
  func damage() throws {
    var tar = Tar()
    tar.add("a", data: Array("contents".utf8))
    tar.addPax(("path", "b"))
    tar.add("x", type: "2", link: "a")
    let archive = tar.archive
    let good = try entries(of: archive)
    for position in 0..<archive.count {
      var damaged = archive
      damaged[position] ^= 0x10
      if let found = try? entries(of: damaged) { #expect(found == good) }
    }
  }
}

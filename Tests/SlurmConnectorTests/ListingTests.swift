import ConnectorAPI
import ConnectorSupport
import Foundation
import JobEngine
import Shell
import Testing

@testable import SlurmConnector

/// A directory tree of the test's own, listed by the real shell and the real find.
private final class Tree {
  let top: URL

  init() throws {
    // As the kernel calls it, whatever links lead to the temporary directory.
    let base = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
    top = base.appendingPathComponent("weir-test-\(UUID().uuidString)")
    for directory in ["vault/sub/deep", "vault2", "vault\n", "other/secret", "-vault"] { try make(directory) }
    try Data("12345".utf8).write(to: top.appendingPathComponent("vault/sub/a file"))
    try Data().write(to: top.appendingPathComponent("vault/sub/new\nline 'x' $(y)"))
    for (name, target) in [
      ("vault/out", "../other"), ("vault/absolute", top.path + "/other"), ("vault/twin", "../vault2"),
      ("vault/inside", "sub"), ("vault/loop", "loop"), ("vault/newline", "../vault\n"), ("alias", "vault"),
    ] {
      try FileManager.default.createSymbolicLink(
        atPath: top.appendingPathComponent(name).path, withDestinationPath: target)
    }
  }

  deinit { try? FileManager.default.removeItem(at: top) }

  private func make(_ directory: String) throws {
    try FileManager.default.createDirectory(
      at: top.appendingPathComponent(directory), withIntermediateDirectories: true)
  }

  /// The entries' names below the tree, or nil when there is nothing to list.
  func list(_ path: String, roots: [String]) throws -> Set<String>? {
    let path = top.path + "/" + path
    let command = try Listing.command(path, roots: roots.map { $0.hasPrefix("/") ? $0 : top.path + "/" + $0 })
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command.text]
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let result = CommandResult(exitStatus: process.terminationStatus, stdout: [UInt8](bytes))
    do throws(BackendError) {
      return Set(
        try Listing.entries(of: path, result).map {
          String(String(decoding: $0.path, as: UTF8.self).dropFirst(top.path.count + 1))
        })
    } catch {
      guard case .notFound = error else { throw error }
      return nil
    }
  }
}

@Suite("Directories below the vault roots")
struct ListingTests {
  static let inSub: Set<String> = ["", "/deep", "/a file", "/new\nline 'x' $(y)"]

  @Test(
    "What is below a root is listed under the path that was asked for",
    arguments: [
      ("vault/sub", ["vault"]), ("vault/sub", ["vault/"]), ("vault/sub", ["none", "vault/sub"]),
      ("vault/inside", ["vault"]), ("alias/sub", ["vault"]), ("vault/sub", ["alias"]), ("vault/sub", ["/"]),
    ])
  func below(path: String, roots: [String]) throws {
    #expect(try Tree().list(path, roots: roots) == Set(Self.inSub.map { path + $0 }))
  }

  @Test("A slash at the end is part of no name")
  func slash() throws {
    #expect(try Tree().list("vault/sub/", roots: ["vault"])?.contains("vault/sub/deep") == true)
  }

  @Test(
    "What is not below a root, wherever links lead, is not there",
    arguments: [
      ("vault/out", ["vault"]), ("vault/out/secret", ["vault"]), ("vault/absolute", ["vault"]),
      ("vault/twin", ["vault"]), ("vault/loop", ["vault"]), ("vault/newline", ["vault"]), ("vault\n", ["vault"]),
      ("vault2", ["vault"]), ("vault/../other", ["vault"]), ("other", ["vault"]), ("vault", ["vault/sub"]),
      ("vault/sub", []), ("vault/sub", ["none"]), ("vault/sub/a file", ["vault"]), ("vault/none", ["vault"]),
      ("vault2", ["v*"]), ("vault/sub", ["v[a]ult"]), ("vault/sub", ["vault/sub/d*"]),
    ])
  func outside(path: String, roots: [String]) throws {
    #expect(try Tree().list(path, roots: roots) == nil)
  }

  @Test("What find printed is parted at NUL, names as bytes, whatever a login shell printed before")
  func parsing() {
    let output = Array("Welcome! d 1 2 3\n\0d 1795231152.5 4096 \0f 1.0 3 new\nline\0f 1.0 3 ".utf8) + [0xff]
    let entries = Listing.entries(of: "/a b", output)
    #expect(entries.map(\.size) == [4096, 3, 3])
    #expect(entries[0].kind == .directory && entries[0].modified == 1_795_231_152)
    #expect(entries[0].path == Array("/a b".utf8) && entries[1].path == Array("/a b/new\nline".utf8))
    #expect(entries[2].path == Array("/a b/".utf8) + [0xff])
  }

  @Test("A list that is not complete is an error")
  func incomplete() {
    for (status, truncated) in [(0, true), (1, false), (127, false), (-1, false)] as [(Int32, Bool)] {
      let result = CommandResult(
        exitStatus: status, signal: status < 0 ? "KILL" : nil, stdout: Array("\0d 1.0 4096 ".utf8),
        stdoutTruncated: truncated)
      #expect(throws: BackendError.self) { try Listing.entries(of: "/vault", result) }
    }
  }
}

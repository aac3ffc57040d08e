import ConnectorAPI
import Foundation
import JobEngine
import Testing

@testable import LegacyAPI

@Suite("Directories of the cluster, by /request/pvcls")
struct DirectoryTests {
  private func args(_ path: String) throws -> String {
    String(decoding: try JSONSerialization.data(withJSONObject: ["qs": ["path": [path]]]), as: UTF8.self)
  }

  @Test(
    "A directory is listed, directories first, with times and sizes when asked",
    arguments: [
      (#"{"qs":{"path":["/home/x"]}}"#, "/data/home/x/d/\n/data/home/x/f\n"),
      (#"{"qs":{"path":["home/x/"],"details":["true"]}}"#, "5 4096 /data/home/x/d/\n7 3 /data/home/x/f\n"),
      (#"{"qs":{"path":"//home/./x","details":[true]}}"#, "5 4096 /data/home/x/d/\n7 3 /data/home/x/f\n"),
    ])
  func directory(args: String, expected: String) async throws {
    let connector = StagedConnector()
    connector.change {
      $0.entries = [
        DirectoryEntry(kind: .file, path: Array("/home/x/f".utf8), modified: 7, size: 3),
        DirectoryEntry(kind: .directory, path: Array("/home/x/d".utf8), modified: 5, size: 4096),
      ]
    }
    try await Bench.run(connector, vaultRoots: ["/home/"]) { bench in
      let reply = try await bench.call("/request/pvcls", args)
      #expect(reply.status == 200 && reply.text == expected)
      #expect(connector.current.path == "/home/x" && connector.current.roots == ["/home/"])
      #expect(connector.current.listingAccount == nil, "the service looks with the observing account's rights")
    }
  }

  @Test("A user's directories are listed with the rights of the user's account")
  func user() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector, vaultRoots: ["/vault"]) { bench in
      let reply = try await bench.call("/request/pvcls", args("/vault/x"), as: .user("mario@example.com"))
      #expect(reply.status == 200 && connector.current.listingAccount == "mario")
      let unknown = try await bench.call("/request/pvcls", args("/vault/x"), as: .user("nobody@example.com"))
      #expect(unknown.status == 403 && unknown.code == "user_not_mapped")
    }
  }

  @Test("A line end in a file name makes no second entry")
  func oddName() async throws {
    let connector = StagedConnector()
    connector.change {
      $0.entries = [DirectoryEntry(kind: .file, path: Array("/a\n/data/b\u{7f}".utf8), modified: 0, size: 0)]
    }
    try await Bench.run(connector, vaultRoots: ["/"]) { bench in
      let reply = try await bench.call("/request/pvcls", "{}")
      #expect(reply.text == "/data/a?/data/b?\n")
    }
  }

  @Test("Where no roots are set nothing is listed, and the setting is named")
  func off() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      for sender in [.upstream, .user("kirby@example.com")] as [Bench.Sender] {
        let reply = try await bench.call("/request/pvcls", args("/home"), as: sender)
        #expect(reply.status == 403 && reply.code == "listing_off" && reply.text.contains("WEIR_VAULT_ROOTS"))
      }
      #expect(connector.current.path == "", "the cluster was not asked")
    }
  }

  @Test(
    "A path that is not written as below a root is refused without asking the cluster",
    arguments: ["", "/", "/vaul", "/vault2", "/vault2/x", "/Vault", "/etc", "/x/vault", "/vault\u{301}", "~", "$HOME"])
  func elsewhere(path: String) async throws {
    let connector = StagedConnector()
    try await Bench.run(connector, vaultRoots: ["/vault", "/scratch/a"]) { bench in
      let reply = try await bench.call("/request/pvcls", args(path))
      #expect(reply.status == 403 && reply.code == "forbidden" && reply.text.contains("WEIR_VAULT_ROOTS"))
      #expect(connector.current.path == "")
    }
  }

  @Test(
    "A path that leads elsewhere or is none is refused",
    arguments: ["/vault/../b", "..", "/vault/..", "/vault/a\nb", "/vault/\u{7f}", String(repeating: "x", count: 5000)])
  func wrong(path: String) async throws {
    try await Bench.run(StagedConnector(), vaultRoots: ["/vault"]) { bench in
      let reply = try await bench.call("/request/pvcls", args(path))
      #expect(reply.status == 422 && reply.code == "argument_wrong" && reply.text.contains("'path'"))
    }
  }

  @Test("A directory that is not there is not found")
  func missing() async throws {
    try await Bench.run(vaultRoots: ["/nowhere"]) { bench in
      let reply = try await bench.call("/request/pvcls", args("/nowhere"))
      #expect(reply.status == 404 && reply.code == "not_found" && reply.text.contains("/nowhere"))
    }
  }
}

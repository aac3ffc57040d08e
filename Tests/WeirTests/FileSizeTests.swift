import Foundation
import Logging
import Synchronization
import Testing

@testable import weir

@Suite("Files that settings name are read within bounds")
struct FileSizeTests {
  /// A file that a setting names, the most bytes that it may have, and a file that would be right but for its size.
  struct Row: Sendable, CustomTestStringConvertible {
    let setting: String
    let most: Int
    var connector = "dummy"
    var beginning = ""
    var words = "more than"

    var testDescription: String { setting }

    func environment(_ path: String) -> [String: String] {
      [
        "JARVICE_BAREMETAL_CONNECTOR": connector, "WEIR_AUTH": "none", "HOME": "/home/kirby",
        "WEIR_JWT_ISSUER": "", "WEIR_JWT_AUDIENCE": "", setting: path,
      ]
    }

    func faults(_ path: String) -> [String] {
      WeirTestsFaults.of(environment(path)).filter { $0.hasPrefix(setting + ": ") }
    }
  }

  /// The table of the files. That of known hosts is read with each connection, within a bound of its own.
  static let rows = [
    Row(setting: "JARVICE_SCHED_SERVER_KEY_FILE", most: 65_536, beginning: "a:b"),
    Row(setting: "WEIR_SSH_PASSPHRASE_FILE", most: 65_536),
    Row(setting: "WEIR_JWT_KEY_FILE", most: 65_536),
    Row(setting: "WEIR_JWT_JWKS_FILE", most: 1_048_576, beginning: #"{"keys":[]} "#, words: "longer than"),
    Row(setting: "WEIR_USERS_FILE", most: 8_388_608, connector: "slurm", beginning: "users_id_mapping: []\n#"),
    Row(setting: "WEIR_SERVERS_FILE", most: 4_194_304, connector: "gpu", beginning: "servers: []\n#"),
  ]

  @Test("One that is larger than the bound is refused, and the bound is named", arguments: rows)
  func size(row: Row) throws {
    let files = try Files()
    let text = row.beginning + String(repeating: " ", count: row.most + 1 - row.beginning.utf8.count)
    let path = try files.write("file", text)
    let found = row.faults(path)
    #expect(found.count == 1 && found.first?.contains("\(row.words) \(row.most) bytes") == true, "\(found)")
  }

  @Test("One that has as many bytes as a disk is refused at once", arguments: rows)
  func sparse(row: Row) throws {
    let files = try Files()
    let path = try files.write("file", row.beginning)
    try #require(truncate(path, 1 << 40) == 0)
    #expect(row.faults(path).count == 1)
  }

  @Test("What is no regular file is refused, and nothing is waited for", arguments: rows)
  func kinds(row: Row) throws {
    let files = try Files()
    let pipe = files.directory.path + "/pipe"
    try #require(mkfifo(pipe, 0o600) == 0)
    for path in [pipe, "/dev/zero", files.directory.path] {
      #expect(row.faults(path).count >= 1, "\(path)")
    }
  }

  @Test("A users file of too many entries is refused, and the settings are read again as soon as it is right")
  func reload() async throws {
    let files = try Files()
    let environment = try slurm(files)
    let path = try #require(environment["WEIR_USERS_FILE"])
    let applied = Mutex(0)
    let reloader = Reloader(
      try Settings(environment: environment), environment: environment,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) { _ in applied.withLock { $0 += 1 } }
    _ = try files.write("users.yaml", String(repeating: "a: b\n", count: 1_000_000))
    reloader.reload()
    func fault() -> String? { reloader.warnings.first { $0.contains("are wrong, so Weir keeps") } }
    while fault() == nil { try await Task.sleep(for: .milliseconds(5)) }
    #expect(fault()?.contains("\(path): the file has more than 100000 entries") == true, "\(reloader.warnings)")
    _ = try files.write("users.yaml", "users_id_mapping: []\n")
    reloader.reload()
    while applied.withLock({ $0 == 0 }) { try await Task.sleep(for: .milliseconds(5)) }
    #expect(fault() == nil)
  }

  private func slurm(_ files: Files) throws -> [String: String] {
    let key = files.directory.path + "/key"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/ssh-keygen")
    process.arguments = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return [
      "JARVICE_BAREMETAL_CONNECTOR": "slurm", "HOME": "/home/kirby", "JARVICE_SLURM_CLUSTER_ADDR": "login.example.com",
      "JARVICE_SLURM_SSH_USER": "observer", "JARVICE_SLURM_SSH_PKEY_FILE": key,
      "JARVICE_SYSTEM_REGISTRY": "r", "JARVICE_SYSTEM_REPO_BASE": "b", "WEIR_JWT_ISSUER": "", "WEIR_JWT_AUDIENCE": "",
      "WEIR_JWT_KEY_FILE": try files.write("jwt", "a secret of thirty-two bytes or more"),
      "WEIR_USERS_FILE": try files.write("users.yaml", "users_id_mapping: []\n"),
    ]
  }
}

/// The function of all tests, by a name that no method hides.
private enum WeirTestsFaults {
  static func of(_ environment: [String: String]) -> [String] { faults(environment) }
}

import Foundation
import SSH
import Shell
import Support
import Testing

@testable import GPUConnector

@Suite("The passphrase of the servers' keys")
struct PassphraseTests {
  private func keygen(_ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/ssh-keygen")
    process.arguments = ["-q"] + arguments
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }

  @Test("A new one counts for the file that is read again with it", .timeLimit(.minutes(1)))
  func change() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let (key, file) = (directory.path + "/key", directory.path + "/servers.yaml")
    try keygen("-t", "ed25519", "-N", "the old one", "-C", "", "-f", key)
    try "servers:\n- {name: a, host: h, user: u, key_file: \(key)}\n".write(
      toFile: file, atomically: true, encoding: .utf8)
    let source = try ServersSource(
      .servers(path: file, readKey: PrivateKey.reader(passphrase: "the old one"), connections: NoConnections()),
      logger: .quiet)
    try keygen("-p", "-P", "the old one", "-N", "the new one", "-f", key)
    source.reload(readKey: PrivateKey.reader(passphrase: "the new one"))
    let (changes, change) = AsyncStream.makeStream(of: [ServerSpec].self)
    let watch = Task { await source.watch { change.yield($0) } }
    for await servers in changes {
      #expect(servers.map(\.name) == ["a"] && source.warnings.isEmpty)
      break
    }
    watch.cancel()
  }
}

/// Servers that nobody reaches.
private struct NoConnections: ServerConnections {
  func runner(host: String, port: Int, key: PrivateKey?, via jump: Login?) -> any Runner { FakeServer(nil) }
  func retryLogins() {}
}

import Foundation
import SSH
import Testing

@Suite("Files by SFTP", .serialized)
struct FileTests {
  @Test("A file comes back as it was sent, with its mode", arguments: [0, 1, 32768, 32769, 3_000_000])
  func roundTrip(count: Int) async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    let path = server.directory.appendingPathComponent("a file; 'quoted' $HOME ü").path
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    try await pool.upload(bytes, to: path, mode: 0o640, on: server.destination, key: key, timeout: .seconds(20))
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path))) == bytes)
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o640)
    let back = try await pool.download(path, limit: count, on: server.destination, key: key, timeout: .seconds(20))
    #expect(back == bytes)
    #expect(server.logins == 1)
  }

  @Test("A file is replaced, and no temporary file is left")
  func replacing() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let folder = server.directory.appendingPathComponent("folder")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let path = folder.appendingPathComponent("file").path
    for text in ["first, and longer", "second"] {
      try await pool.upload(
        Array(text.utf8), to: path, mode: 0o600, on: server.destination, key: TestKeys.key(), timeout: .seconds(20))
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "second")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
  }

  @Test("What the server refuses is an error with the path and the reason, and leaves nothing behind")
  func refusals() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    let folder = server.directory.appendingPathComponent("folder")
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("directory"), withIntermediateDirectories: true)
    let missing = folder.appendingPathComponent("missing").path
    await #expect {
      _ = try await pool.download(missing, limit: 10, on: server.destination, key: key, timeout: .seconds(20))
    } throws: { "\($0)".contains(missing) && "\($0)".contains("no such file") }
    await #expect {
      try await pool.upload(
        [1], to: missing + "/x", mode: 0o600, on: server.destination, key: key, timeout: .seconds(20))
    } throws: { "\($0)".contains("no such file") }
    await #expect {
      try await pool.upload(
        [1], to: folder.path + "/directory", mode: 0o600, on: server.destination, key: key, timeout: .seconds(20))
    } throws: { if case SSHError.sftp = $0 { true } else { false } }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["directory"])
  }

  @Test("A file larger than the limit is refused, even one that has no end")
  func limit() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    await #expect {
      _ = try await pool.download(
        "/dev/zero", limit: 100_000, on: server.destination, key: TestKeys.key(), timeout: .seconds(20))
    } throws: { "\($0)".contains("larger than 100000 bytes") }
  }

  @Test(
    "A server without SFTP says so, and goes on running commands",
    arguments: [("Subsystem sftp /bin/false", "SFTP ended"), ("Subsystem other /bin/true", "has no SFTP")])
  func noSFTP(option: String, reason: String) async throws {
    let server = try await TestServer.start(options: [option])
    let pool = try server.pool()
    let key = try TestKeys.key()
    await #expect {
      _ = try await pool.download("/etc/passwd", limit: 10, on: server.destination, key: key, timeout: .seconds(20))
    } throws: { "\($0)".contains(reason) }
    let output = try await pool.run("echo well", on: server.destination, key: key, timeout: .seconds(20))
    #expect(output.text == "well\n")
    #expect(server.logins == 1)
  }
}

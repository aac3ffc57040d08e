import Foundation
import Logging
import SSH
import Shell
import TestSupport
import Testing

@Suite("The record of commands", .serialized)
struct AuditTests {
  private func runner(_ server: TestServer, _ log: LogRecorder, key: TestKeys.Name = .ed25519) throws -> SSHRunner {
    let pool = ConnectionPool(hostKeys: .knownHosts(path: try server.knownHosts()), logger: log.logger)
    let key = try TestKeys.key(key)
    return SSHRunner(pool: pool, host: "127.0.0.1", port: server.port) { $0 == "nobody-we-know" ? nil : key }
  }

  @Test("Each command that was sent is one line: where, as whom, what, how it ended, how long it took")
  func line() async throws {
    let server = try await TestServer.start()
    let log = LogRecorder()
    let runner = try runner(server, log)
    let user = NSUserName()
    _ = try await runner.run(Command(["echo", "two words"]), as: user, timeout: .seconds(20))
    _ = try await runner.run(Command(["sh", "-c", "exit 3"]), as: user, timeout: .seconds(20))
    _ = try await runner.run(Command(["sh", "-c", "kill -9 $$"]), as: user, timeout: .seconds(20))
    _ = try? await runner.run(Command(["sleep", "20"]), as: user, timeout: .milliseconds(300))
    _ = try? await runner.run(Command(["true"]), as: "nobody-we-know", timeout: .seconds(20))
    let lines = log.lines("command")
    #expect(
      lines.map { $0.metadata["command"] } == ["echo 'two words'", "sh -c 'exit 3'", "sh -c 'kill -9 $$'", "sleep 20"])
    #expect(lines.prefix(3).map { $0.metadata["exit"] } == ["0", "3", "signal KILL"])
    #expect(lines.last?.metadata["exit"]?.contains("timed out; the command may have run") == true)
    for line in lines {
      #expect(line.level == .info && line.metadata["host"] == "127.0.0.1" && line.metadata["user"] == user)
      #expect(line.metadata.count == 5 && line.metadata["ms"].flatMap(Double.init) != nil)
    }
  }

  @Test("What watches the cluster all the time is on the log at level debug only")
  func observation() async throws {
    let server = try await TestServer.start()
    let log = LogRecorder()
    let runner: any Runner = try runner(server, log)
    for purpose in [CommandPurpose.observation, .action] {
      _ = try await runner.run(
        Command(["true"]), as: NSUserName(), stdin: [], limits: .init(), timeout: .seconds(20), purpose: purpose)
    }
    #expect(log.lines("command").map(\.level) == [.debug, .info])
  }

  @Test("Files that were moved are on the log with path and size, and those that could not be with the reason")
  func files() async throws {
    let server = try await TestServer.start()
    let log = LogRecorder()
    let pool = ConnectionPool(hostKeys: .knownHosts(path: try server.knownHosts()), logger: log.logger)
    let key = try TestKeys.key()
    let path = server.directory.path + "/a\nfile"
    let (there, timeout) = (server.destination, Duration.seconds(20))
    try await pool.upload([1, 2, 3], to: path, mode: 0o600, on: there, key: key, timeout: timeout)
    _ = try await pool.download(path, limit: 9, on: there, key: key, timeout: timeout)
    _ = try? await pool.download("/no/such/file", limit: 9, on: there, key: key, timeout: timeout)
    let lines = log.lines("put") + log.lines("get")
    #expect(lines.map { $0.metadata["bytes"] } == ["3", "3", nil])
    #expect(lines[0].metadata["path"] == server.directory.path + "/a\\u{a}file")
    #expect(lines[2].metadata["error"]?.contains("no such file") == true)
    #expect(pool.counters.commands == 0)
  }

  @Test("Neither keys nor passphrases, nor what a command gets by standard input or environment, are on the log")
  func secrets() async throws {
    let server = try await TestServer.start()
    let log = LogRecorder()
    let runner = try runner(server, log, key: .encrypted)
    let command = try Command(["cat"], environment: [("A", "canary-one\ncanary-two"), ("B", "canary-three")])
    _ = try await runner.run(command, as: NSUserName(), stdin: Array("canary-four".utf8), timeout: .seconds(20))
    _ = try? await runner.run(command, as: "stranger", stdin: Array("canary-four".utf8), timeout: .seconds(20))
    server.kill()
    _ = try? await runner.run(command, as: NSUserName(), timeout: .seconds(20))
    let text = log.lines.map(\.text).joined(separator: "\n") + runner.statusLines.joined()
    #expect(log.lines("command").first?.metadata["command"] == "env A=… B=… cat")
    #expect(text.contains("refuses the login"))
    let key = try TestKeys.text(.encrypted).split(separator: "\n").dropFirst().dropLast()
    for secret in key.map(String.init) + [TestKeys.passphrase, "canary", "PRIVATE KEY"] {
      #expect(!text.contains(secret))
    }
  }

  @Test("A command is shown in one line of at most 2,000 characters, in which its last arguments have a place")
  func summary() throws {
    let forged = try Command(["echo", "a\nlevel=info b\u{1b}[2K\u{202e}c\r\u{2028}"])
    #expect(forged.summary == "echo 'a\\u{a}level=info b\\u{1b}[2K\\u{202e}c\\u{d}\\u{2028}'")
    let long = String(repeating: "x", count: 5000)
    let one = try Command(["echo", long, "last"]).summary
    #expect(one.hasSuffix("… last") && one.count < 600)
    let many = try Command(Array(repeating: long, count: 20)).summary
    #expect(many.count <= 2000 && many.hasSuffix("…"))
    #expect(try Command(["echo", "A=b"], environment: [("A", "b")]).summary == "env A=… echo A=b")
  }
}

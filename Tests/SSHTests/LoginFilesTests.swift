import Foundation
import SSH
import Shell
import Testing

@Suite("Accounts with hostile login files", .serialized)
struct LoginFilesTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let bashrc: String
    /// Whether commands can share a shell.
    var keepsShell = true
    /// What the error says, where no command can run.
    var reason: String?
    var errors = "oops\n"
    /// Whether nothing but the time that is up tells that no command can run.
    var isSilent = false
    var timeouts: [Int] { reason == nil ? [20, 20, 40] : isSilent ? [4] : [20] }
    var testDescription: String { bashrc }
  }

  static let cases = [
    Case(bashrc: "read -t 1 -r x"),
    Case(bashrc: "echo welcome; echo warning >&2; printf unfinished"),
    Case(bashrc: "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"),
    Case(bashrc: "set -euxv; PS4='+ oops '"),
    Case(bashrc: "exec 2>/dev/null", keepsShell: false, errors: ""),
    Case(bashrc: "exec 2>&1", keepsShell: false, errors: ""),
    Case(bashrc: "exit 1", reason: "ended with status 1"),
    Case(bashrc: "exit 0", reason: "ended with status 0"),
    Case(bashrc: "echo 'closed for maintenance' >&2; exit 3", reason: "status 3 before the command began: closed for"),
    Case(bashrc: "kill -KILL $$", reason: "ended with signal KILL"),
    Case(bashrc: "exec cat", reason: "start another shell", isSilent: true),
    Case(bashrc: "exec zsh", reason: "start another shell", isSilent: true),
    Case(bashrc: "read -r x", reason: "read standard input", isSilent: true),
    Case(bashrc: "sleep 60", reason: "be slow", isSilent: true),
    Case(bashrc: "exec >/dev/null", reason: "redirect standard output", isSilent: true),
    Case(bashrc: "exec yes", reason: "print more than 1 MiB"),
  ]

  @Test("A command runs as it should, or the error names the login files", arguments: cases)
  func commands(row: Case) async throws {
    let server = try await TestServer.start()
    try (row.bashrc + "\n").write(
      to: server.directory.appendingPathComponent(".bashrc"), atomically: true, encoding: .utf8)
    let key = try TestKeys.key()
    let runner = SSHRunner(pool: try server.pool(), host: "127.0.0.1", port: server.port, keys: { _ in key })
    let me = NSUserName()
    let command = try Command.script("cat; echo oops >&2; exit 3", [])
    // Kept shell, or the channel in its place; and a channel.
    for timeout in row.timeouts {
      do throws(RunError) {
        let result = try await runner.run(command, as: me, stdin: Array("in\n".utf8), timeout: .seconds(timeout))
        let output = String(decoding: result.stdout, as: UTF8.self)
        #expect(row.reason == nil && result.exitStatus == 3)
        #expect(output == (row.bashrc.hasSuffix("2>&1") ? "in\noops\n" : "in\n"))
        if timeout == 20 { #expect(String(decoding: result.stderr, as: UTF8.self) == row.errors) }
      } catch {
        let reason = try #require(row.reason, "\(error)")
        #expect(!error.mayHaveRun && "\(error)".contains(reason) && "\(error)".contains(".bashrc"), "\(error)")
      }
    }
    if row.reason == nil { #expect(server.sessions == (row.keepsShell ? 2 : 4)) }
    #expect(server.logins == 1)
  }

  @Test("A stream begins behind what login files print, and its errors too")
  func streams() async throws {
    let server = try await TestServer.start()
    try "echo welcome; echo warning >&2; read -t 1 -r x\n".write(
      to: server.directory.appendingPathComponent(".bashrc"), atomically: true, encoding: .utf8)
    let key = try TestKeys.key()
    let runner = SSHRunner(pool: try server.pool(), host: "127.0.0.1", port: server.port, keys: { _ in key })
    let kept = Bytes()
    let result = try await runner.stream(
      .script("cat; echo oops >&2", []), as: NSUserName(), input: .bytes(Array("a\0b".utf8))
    ) { await kept.append($0) }
    #expect(await kept.bytes == Array("a\0b".utf8) && result.message == "oops")
  }

  @Test("A server that sends without end keeps nobody busy", arguments: [true, false])
  func floods(inKeptShell: Bool) async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    await #expect(throws: SSHError.flooded(server.destination)) {
      try await pool.run(
        "exec cat /dev/zero", inKeptShell: inKeptShell, on: server.destination, key: key,
        limits: OutputLimits(stdout: 10, stderr: 10), timeout: .seconds(60))
    }
    let next = try await pool.run(
      "echo next", inKeptShell: true, on: server.destination, key: key, timeout: .seconds(20))
    #expect(next.text == "next\n")
  }
}

private actor Bytes {
  private(set) var bytes: [UInt8] = []
  func append(_ more: [UInt8]) { bytes += more }
}

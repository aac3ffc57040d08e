import Foundation
import SSH
import Shell
import TestSupport
import Testing

@Suite("Commands over SSH", .serialized)
struct SSHRunnerTests {
  @Test("Words arrive unchanged through a real sshd")
  func throughServer() async throws {
    let server = try await TestServer.start()
    let key = try TestKeys.key()
    let runner = SSHRunner(pool: try server.pool(), host: "127.0.0.1", port: server.port, keys: { _ in key })
    let command = try Command(["printf", "%s\\0"] + HostileWords.all, environment: [("TZ", "UTC")])
    let result = try await runner.run(command, as: NSUserName(), timeout: .seconds(20))
    #expect(result.succeeded)
    #expect(result.stdout == printed(HostileWords.all))
  }

  @Test("A runner tells what may have run from what cannot have")
  func errors() async throws {
    let server = try await TestServer.start()
    let key = try TestKeys.key()
    let user = NSUserName()
    let pool = try server.pool { $0.backoff = .seconds(5)...(.seconds(5)) }
    let runner = SSHRunner(pool: pool, host: "127.0.0.1", port: server.port) { $0 == user ? key : nil }
    await #expect(throws: RunError.noKey(account: "bowser")) {
      try await runner.run(Command(["true"]), as: "bowser", timeout: .seconds(20))
    }
    let failed = try await runner.run(Command(["sh", "-c", "echo oops >&2; exit 9"]), as: user, timeout: .seconds(20))
    #expect(failed.exitStatus == 9 && !failed.succeeded && failed.message == "oops")
    let killed = try await runner.run(Command(["sh", "-c", "kill -9 $$"]), as: user, timeout: .seconds(20))
    #expect(killed.signal == "KILL" && killed.exitStatus == -1 && !killed.succeeded)
    await #expect {
      _ = try await runner.run(Command(["sleep", "20"]), as: user, timeout: .milliseconds(300))
    } throws: { ($0 as? RunError)?.mayHaveRun == true }
    #expect(runner.statusLines.isEmpty)
    server.kill()
    while pool.status().first?.connections != 0 { try await Task.sleep(for: .milliseconds(10)) }
    await #expect {
      _ = try await runner.run(Command(["true"]), as: user, timeout: .seconds(20))
    } throws: { ($0 as? RunError)?.mayHaveRun == false }
    #expect(runner.statusLines.count == 1 && runner.statusLines.first?.contains("127.0.0.1") == true)
  }
}

import Foundation
import SSH
import Shell
import Testing

@Suite("Running commands", .serialized)
struct CommandTests {
  @Test(
    "A command's exit status, output and errors come back as they were",
    arguments: [
      ("echo hello", 0, "hello\n", ""),
      ("exit 3", 3, "", ""),
      ("echo out; echo err >&2; exit 255", 255, "out\n", "err\n"),
      ("no-such-program-here 2>/dev/null", 127, "", ""),
    ] as [(String, Int32, String, String)])
  func result(command: String, status: Int32, stdout: String, stderr: String) async throws {
    let server = try await TestServer.start()
    let output = try await server.pool().run(
      command, on: server.destination, key: TestKeys.key(), timeout: .seconds(20))
    #expect(output.exitStatus == status)
    #expect(output.exitSignal == nil)
    #expect(output.text == stdout)
    #expect(String(decoding: output.stderr, as: UTF8.self) == stderr)
  }

  @Test("A signal that ended the command is named, and there is no exit status", arguments: ["KILL", "TERM"])
  func signal(name: String) async throws {
    let server = try await TestServer.start()
    let output = try await server.pool().run(
      "kill -\(name) $$", on: server.destination, key: TestKeys.key(), timeout: .seconds(20))
    #expect(output.exitSignal == name)
    #expect(output.exitStatus == nil)
  }

  @Test("Every kind of key that libssh2 has logs in", arguments: TestKeys.accepted)
  func keys(name: TestKeys.Name) async throws {
    let server = try await TestServer.start()
    let output = try await server.pool().run(
      "echo in", on: server.destination, key: TestKeys.key(name), timeout: .seconds(20))
    #expect(output.text == "in\n")
  }

  @Test("10 MB of output arrive whole")
  func muchOutput() async throws {
    let server = try await TestServer.start()
    let output = try await server.pool().run(
      "head -c 10000000 /dev/zero | tr '\\0' x", on: server.destination, key: TestKeys.key(), timeout: .seconds(30))
    #expect(output.stdout.count == 10_000_000)
    #expect(output.stdout.allSatisfy { $0 == UInt8(ascii: "x") })
    #expect(!output.stdoutTruncated)
  }

  @Test("Any bytes pass through standard input and output unchanged", arguments: [0, 1, 70_000, 5_000_000])
  func stdin(count: Int) async throws {
    let server = try await TestServer.start()
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let output = try await server.pool().run(
      "cat", on: server.destination, key: TestKeys.key(), stdin: bytes, timeout: .seconds(30))
    #expect(output.exitStatus == 0)
    #expect(output.stdout == bytes)
  }

  @Test("A command that does not read its standard input still ends")
  func unreadInput() async throws {
    let server = try await TestServer.start()
    let bytes = [UInt8](repeating: 1, count: 5_000_000)
    let output = try await server.pool().run(
      "exit 4", on: server.destination, key: TestKeys.key(), stdin: bytes, timeout: .seconds(20))
    #expect(output.exitStatus == 4)
  }

  @Test("Output past the limits is dropped and said to be cut, and the command ends by itself")
  func limits() async throws {
    let server = try await TestServer.start()
    let output = try await server.pool().run(
      "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; exit 5", on: server.destination, key: TestKeys.key(),
      limits: OutputLimits(stdout: 1000, stderr: 200_000), timeout: .seconds(20))
    #expect(output.exitStatus == 5)
    #expect(output.stdout.count == 1000 && output.stdoutTruncated)
    #expect(output.stderr.count == 200_000 && !output.stderrTruncated)
  }

  @Test("A command that never stops talking does not keep others from being heard")
  func firehose() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    let talker = Task {
      try await pool.run("yes", on: server.destination, key: key, limits: .init(stdout: 10), timeout: .seconds(3))
    }
    for number in 0..<5 {
      let output = try await pool.run("echo \(number)", on: server.destination, key: key, timeout: .seconds(20))
      #expect(output.text == "\(number)\n")
    }
    talker.cancel()
    await #expect(throws: SSHError.timedOut(server.destination, started: true)) { try await talker.value }
    #expect(server.logins == 1)
  }

  @Test("When the time is up the call ends at once, and the connection serves others")
  func deadline() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    _ = try await pool.run("true", on: server.destination, key: key, timeout: .seconds(20))
    let start = ContinuousClock.now
    await #expect(throws: SSHError.timedOut(server.destination, started: true)) {
      try await pool.run("sleep 20", on: server.destination, key: key, timeout: .milliseconds(200))
    }
    #expect(ContinuousClock.now - start < .seconds(5))
    let output = try await pool.run("echo still", on: server.destination, key: key, timeout: .seconds(20))
    #expect(output.text == "still\n")
    #expect(server.logins == 1)
  }

  @Test("A cancelled task ends its command's call, and the connection serves others")
  func cancellation() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    let file = server.directory.appendingPathComponent("begun").path
    let task = Task {
      try await pool.run("touch \(file); sleep 20", on: server.destination, key: key, timeout: .seconds(30))
    }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    task.cancel()
    await #expect(throws: SSHError.timedOut(server.destination, started: true)) { try await task.value }
    _ = try await pool.run("true", on: server.destination, key: key, timeout: .seconds(20))
    #expect(server.logins == 1)
  }
}

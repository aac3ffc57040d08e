import Foundation
import SSH
import Shell
import TestSupport
import Testing

@Suite("Streams", .serialized)
struct StreamTests {
  @Test("Output is handed on as it comes, input is taken as it is there, and the command's end is the call's")
  func conversation() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let (questions, ask) = AsyncStream.makeStream(of: [UInt8].self)
    let source = Pull(questions)
    let answers = Answers()
    ask.yield(Array("one\n".utf8))
    let output = try await pool.stream(
      "while read word; do echo got $word; done; echo oops >&2; exit 7", on: server.destination, key: TestKeys.key(),
      input: .chunks { await source.next() }
    ) { bytes in
      await answers.add(bytes)
      if await answers.text == "got one\n" { ask.yield(Array("two\n".utf8)) } else { ask.finish() }
    }
    #expect(output.exitStatus == 7 && output.stdout.isEmpty && output.stderr == Array("oops\n".utf8))
    #expect(await answers.text == "got one\ngot two\n")
    #expect(pool.counters.commands == 1)
  }

  @Test("A hundred megabytes go through there and back, unchanged")
  func volume() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let block = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let source = Pull(
      AsyncStream {
        for _ in 0..<100 { $0.yield(block) }
        $0.finish()
      })
    let count = Counter()
    let output = try await pool.stream(
      "cat", on: server.destination, key: TestKeys.key(), input: .chunks { await source.next() }
    ) { bytes in
      let start = count.add(bytes.count)
      for index in stride(from: 0, to: bytes.count, by: 997) where bytes[index] != block[(start + index) % 1_000_000] {
        throw CocoaError(.fileReadCorruptFile)
      }
    }
    #expect(output.exitStatus == 0 && count.value == 100_000_000)
  }

  @Test("A slow reader makes the command wait, and nobody else on the connection")
  func backPressure() async throws {
    struct Enough: Error {}
    let server = try await TestServer.start(options: ["ClientAliveInterval 1", "ClientAliveCountMax 1"])
    let pool = try server.pool()
    let key = try TestKeys.key()
    let count = server.directory.appendingPathComponent("count").path
    let task = Task {
      try await pool.stream(
        "while head -c 1000000 /dev/zero; do echo x >> \(count); done", on: server.destination,
        key: key
      ) { _ in
        try await Task.sleep(for: .seconds(4))
        throw Enough()
      }
    }
    for number in 0..<20 {
      let output = try await pool.run("echo \(number)", on: server.destination, key: key, timeout: .seconds(2))
      #expect(output.text == "\(number)\n")
    }
    await #expect(throws: Enough.self) { try await task.value }
    #expect(try (1...12).contains(Data(contentsOf: URL(fileURLWithPath: count)).count / 2))
    #expect(server.logins == 1 && pool.status().first?.connections == 1)
  }

  @Test("A reader that takes its time does not keep the server's questions from being answered")
  func attendance() async throws {
    let server = try await TestServer.start(options: ["ClientAliveInterval 1", "ClientAliveCountMax 1"])
    let pool = try server.pool { $0.keepalive = .seconds(60) }
    let output = try await pool.stream("echo x", on: server.destination, key: TestKeys.key()) { _ in
      try await Task.sleep(for: .milliseconds(3500))
    }
    #expect(output.exitStatus == 0 && server.logins == 1)
  }

  @Test("An open input ends with the call, which ends when its task is cancelled")
  func openInput() async throws {
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    let answers = Answers()
    let file = server.directory.appendingPathComponent("ended").path
    let task = Task {
      try await pool.stream(
        "echo ready; cat >/dev/null; echo x > \(file)", on: server.destination, key: key, input: .open
      ) { await answers.add($0) }
    }
    while await answers.text != "ready\n" { try await Task.sleep(for: .milliseconds(10)) }
    try await Task.sleep(for: .milliseconds(300))
    #expect(!FileManager.default.fileExists(atPath: file))
    task.cancel()
    await #expect(throws: SSHError.timedOut(server.destination, started: true)) { try await task.value }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    #expect(server.logins == 1)
  }

  @Test("A stream without an end notices that its connection is gone", arguments: [true, false])
  func loss(silently: Bool) async throws {
    let server = try await TestServer.start()
    let pool = try server.pool { $0.keepalive = .milliseconds(300) }
    let key = try TestKeys.key()
    let answers = Answers()
    let task = Task {
      try await pool.stream("echo ready; cat", on: server.destination, key: key, input: .open) {
        await answers.add($0)
        try await Task.sleep(for: .seconds(60))  // Even while somebody reads.
      }
    }
    while await answers.text != "ready\n" { try await Task.sleep(for: .milliseconds(10)) }
    let stopped = silently ? server.descendants() : []
    for pid in stopped { kill(pid, SIGSTOP) }
    if !silently { server.kill() }
    let start = ContinuousClock.now
    await #expect(throws: SSHError.disconnected(server.destination, started: true)) { try await task.value }
    #expect(ContinuousClock.now - start < .seconds(15))
    for pid in stopped { kill(pid, SIGCONT) }
  }

  @Test("An error of the closure that gives the input is the call's, and the time limit holds")
  func failures() async throws {
    struct Enough: Error {}
    let server = try await TestServer.start()
    let pool = try server.pool()
    let key = try TestKeys.key()
    await #expect(throws: Enough.self) {
      try await pool.stream("cat", on: server.destination, key: key, input: .chunks { throw Enough() }) { _ in }
    }
    await #expect(throws: SSHError.timedOut(server.destination, started: true)) {
      try await pool.stream("cat", on: server.destination, key: key, input: .open, timeout: .milliseconds(300)) { _ in }
    }
    let unread = try await pool.stream(
      "exit 4", on: server.destination, key: key,
      input: .chunks {
        try await Task.sleep(for: .milliseconds(1))
        return [UInt8](repeating: 1, count: 100_000)
      }
    ) { _ in }
    #expect(unread.exitStatus == 4)
    #expect(server.logins == 1)
  }

  @Test("A runner streams, and moves files of any size, and its errors are those of runners")
  func runner() async throws {
    struct Enough: Error {}
    let server = try await TestServer.start()
    let key = try TestKeys.key()
    let me = NSUserName()
    let runner = SSHRunner(pool: try server.pool(), host: "127.0.0.1", port: server.port) { $0 == me ? key : nil }
    let answers = Answers()
    let result = try await runner.stream(
      .script(ScriptText(trusted: "cat; echo $1; exit 3"), ["it's"]), as: me, input: .bytes([0x61, 0x0a])
    ) { await answers.add($0) }
    #expect(await answers.text == "a\nit's\n")
    #expect(result.exitStatus == 3)
    let folder = server.directory.appendingPathComponent("folder")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let path = folder.appendingPathComponent("file").path
    let block = (0..<100_001).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let source = Pull(
      AsyncStream {
        for _ in 0..<100 { $0.yield(block) }
        $0.finish()
      })
    try await runner.upload(from: { await source.next() }, to: path, mode: 0o640, as: me)
    let back = Answers()
    try await runner.download(path, as: me) { await back.add($0) }
    #expect(await back.bytes == Array(repeating: block, count: 100).flatMap { $0 })
    await #expect(throws: Enough.self) { try await runner.download(path, as: me) { _ in throw Enough() } }
    await #expect(throws: Enough.self) {
      try await runner.upload(from: { throw Enough() }, to: path, mode: 0o600, as: me)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
    await #expect {
      try await runner.download(path + "/missing", as: me) { _ in }
    } throws: { if case RunError.file(let reason) = $0 { reason.contains("no such file") } else { false } }
    await #expect(throws: RunError.noKey(account: "bowser")) { try await runner.download(path, as: "bowser") { _ in } }
  }
}

/// A number that closures add to; ``add(_:)`` gives what it was before.
final class Counter: @unchecked Sendable {
  private let lock = NSLock()
  private var count = 0
  var value: Int { lock.withLock { count } }
  func add(_ more: Int) -> Int {
    lock.withLock {
      defer { count += more }
      return count
    }
  }
}

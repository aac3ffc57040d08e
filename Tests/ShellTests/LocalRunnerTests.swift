import Foundation
import Shell
import TestSupport
import Testing

@Suite("Commands on this machine", .serialized)
struct LocalRunnerTests {
  private let home = FileManager.default.temporaryDirectory.appendingPathComponent("local-\(UUID().uuidString)")
  private let runner: LocalRunner
  private let me = LocalRunner.account

  init() throws {
    try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
    runner = try LocalRunner(home: home.path, logger: .silent)
  }

  private func run(
    _ script: StaticString, _ arguments: String..., stdin: [UInt8] = [], limits: OutputLimits = .init(),
    timeout: Duration = .seconds(60)
  ) async throws -> CommandResult {
    try await runner.run(
      .script(script, arguments), as: me, stdin: stdin, limits: limits, timeout: timeout)
  }

  private static func descriptors() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
  }

  private static func children() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").flatMap { task in
      let children = try? String(contentsOfFile: "/proc/self/task/\(task)/children", encoding: .utf8)
      return (children ?? "").split(separator: " ").map(String.init)
    }
  }

  /// Waits until it is so, a minute at most.
  private static func comesTrue(_ condition: () throws -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(60)
    while try !condition() {
      guard ContinuousClock.now < deadline else { return false }
      try await Task.sleep(for: .milliseconds(20))
    }
    return true
  }

  /// Of a process of the test's own: one that was ended by force is kept for a second.
  private static func hasNoChildren() async throws -> Bool { try await comesTrue { try children().isEmpty } }

  @Test(
    "A command's exit status, output and errors come back as they were",
    arguments: [
      ("echo hello", 0, nil, "hello\n", ""), ("exit 3", 3, nil, "", ""),
      ("echo out; echo err >&2; exit 255", 255, nil, "out\n", "err\n"), ("kill -KILL $$", -1, "KILL", "", ""),
      ("exit 137", 137, nil, "", ""), ("kill -TERM $$", -1, "TERM", "", ""),
    ] as [(StaticString, Int32, String?, String, String)])
  func result(script: StaticString, status: Int32, signal: String?, stdout: String, stderr: String) async throws {
    let result = try await run(script)
    #expect(result.exitStatus == status && result.signal == signal)
    #expect(String(decoding: result.stdout, as: UTF8.self) == stdout)
    #expect(String(decoding: result.stderr, as: UTF8.self) == stderr)
  }

  @Test("Words arrive unchanged, as over SSH")
  func words() async throws {
    let result = try await runner.run(
      Command(["printf", "%s\\0"] + HostileWords.all), as: me, timeout: .seconds(20))
    #expect(result.stdout == printed(HostileWords.all))
  }

  @Test("A command starts in the home, with a small environment, no signals blocked or ignored, and 0, 1 and 2 only")
  func surroundings() async throws {
    setenv("WEIR_TEST_SECRET", "canary", 1)
    signal(SIGINT, SIG_IGN)
    defer { signal(SIGINT, SIG_DFL) }
    let file = open("/dev/null", O_RDONLY)  // Not closed on exec.
    defer { close(file) }
    let result = try await run("pwd; env; ls /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status")
    let lines = String(decoding: result.stdout, as: UTF8.self).split(separator: "\n")
    #expect(lines.first.map(String.init) == home.path)
    #expect(
      lines.contains("HOME=\(home.path)") && lines.contains("USER=\(me)") && !lines.contains { $0.contains("canary") })
    #expect(lines.suffix(6).prefix(4) == ["0", "1", "2", "3"])  // 3 is the directory that ls reads.
    // Signals 32 and 33 are the C library's own.
    #expect(lines.suffix(2) == ["SigBlk:\t0000000000000000", "SigIgn:\t0000000180000000"])
  }

  @Test("Any bytes pass through standard input and output unchanged", arguments: [1, 70_000, 5_000_000])
  func stdin(count: Int) async throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    let result = try await run("cat", stdin: bytes)
    #expect(result.stdout == bytes && result.exitStatus == 0)
  }

  @Test("A command that does not read its standard input still ends")
  func unreadInput() async throws {
    let result = try await run("exit 4", stdin: [UInt8](repeating: 1, count: 5_000_000))
    #expect(result.exitStatus == 4)
  }

  @Test("Output past the limits is dropped and said to be cut")
  func limits() async throws {
    let result = try await run(
      "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; exit 5", limits: .init(stdout: 1000, stderr: 2000))
    #expect(result.exitStatus == 5 && result.stdout.count == 1000 && result.stdoutTruncated)
    #expect(result.stderr.count == 2000)
  }

  @Test("When the time is up the call ends at once, and then the whole process group, the stubborn too")
  func deadline() async throws {
    await #expect(processExitsWith: .success) {
      let here = try LocalRunnerTests()
      let start = ContinuousClock.now
      // A duration that no other process of this machine sleeps for.
      let duration = "77.\(getpid())1"
      await #expect {
        _ = try await here.run("trap '' TERM; sleep $1 & wait; sleep $1", duration, timeout: .milliseconds(300))
      } throws: { ($0 as? RunError)?.mayHaveRun == true }
      #expect(ContinuousClock.now - start < .seconds(60))
      #expect(try await Self.hasNoChildren())
      let left = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { name in
        FileManager.default.contents(atPath: "/proc/\(name)/cmdline") == Data("sleep\0\(duration)\0".utf8)
      }
      #expect(left.isEmpty)
    }
  }

  @Test("A command is over when it ends, not when what it left behind does")
  func leftBehind() async throws {
    let result = try await run("(until [ -e over ]; do sleep 0.1; done; echo late) & echo early")
    #expect(String(decoding: result.stdout, as: UTF8.self) == "early\n")
    _ = try await run("touch over")
    let noisy = try await run("yes & echo $!", limits: .init(stdout: 100))
    #expect(noisy.exitStatus == 0)
  }

  @Test("Output is handed on as it comes, and input is taken as it is there")
  func conversation() async throws {
    let (questions, ask) = AsyncStream.makeStream(of: [UInt8].self)
    let source = Pull(questions)
    let answers = Answers()
    ask.yield(Array("one\n".utf8))
    let result = try await runner.stream(
      .script("while read word; do echo got $word; done; exit 7", []), as: me, input: .chunks { await source.next() }
    ) { bytes in
      await answers.add(bytes)
      if await answers.text == "got one\n" { ask.yield(Array("two\n".utf8)) } else { ask.finish() }
    }
    #expect(result.exitStatus == 7 && result.stdout.isEmpty)
    #expect(await answers.text == "got one\ngot two\n")
  }

  @Test("A slow reader makes the command wait, and an error of a closure ends the command")
  func backPressure() async throws {
    await #expect(processExitsWith: .success) {
      struct Enough: Error {}
      let here = try LocalRunnerTests()
      let count = here.home.appendingPathComponent("count").path
      await #expect(throws: Enough.self) {
        _ = try await here.runner.stream(
          .script("while head -c 65536 /dev/zero; do echo x >> \"$1\"; done", [count]), as: here.me
        ) { _ in
          // What the command can write it has written then; the time is not what is promised.
          while !FileManager.default.fileExists(atPath: count) { try await Task.sleep(for: .milliseconds(10)) }
          try await Task.sleep(for: .milliseconds(500))
          throw Enough()
        }
      }
      #expect(try (1...3).contains(Data(contentsOf: URL(fileURLWithPath: count)).count / 2))
      #expect(try await Self.hasNoChildren())
    }
  }

  @Test("An open input ends when the call is cancelled, and the command with it")
  func openInput() async throws {
    let answers = Answers()
    let task = Task {
      try await runner.stream(.script("echo ready; cat; echo end", []), as: me, input: .open) { await answers.add($0) }
    }
    while await answers.text != "ready\n" { try await Task.sleep(for: .milliseconds(10)) }
    task.cancel()
    await #expect { _ = try await task.value } throws: { ($0 as? RunError)?.mayHaveRun == true }
  }

  @Test("A thousand commands, eight at a time, leave no descriptor and no process behind")
  func leaks() async throws {
    await #expect(processExitsWith: .success) {
      let here = try LocalRunnerTests()
      let all = Int(ProcessInfo.processInfo.environment["WEIR_TEST_COMMANDS"] ?? "") ?? 1000
      @Sendable func runCommands(_ count: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<8 {
            group.addTask {
              for _ in 0..<count / 8 {
                _ = try await here.runner.run(Command(["true"]), as: here.me, timeout: .seconds(60))
              }
            }
          }
          try await group.waitForAll()
        }
      }
      // What is opened once for all is open then.
      try await runCommands(80)
      try #require(try await Self.hasNoChildren())
      let before = try Self.descriptors()
      let start = ContinuousClock.now
      try await runCommands(all)
      print("local commands:", ContinuousClock.now - start)
      #expect(try await Self.hasNoChildren())
      #expect(try await Self.comesTrue { try Self.descriptors() <= before })
    }
  }

  @Test("What cannot start is an error that says so, and another account too")
  func refusals() async throws {
    let lost = try LocalRunner(home: "/no/such/home", logger: .silent)
    await #expect {
      _ = try await lost.run(Command(["true"]), as: me, timeout: .seconds(20))
    } throws: { ($0 as? RunError)?.mayHaveRun == false && "\($0)".contains("/no/such/home: no such file") }
    await #expect {
      _ = try await runner.run(Command(["true"]), as: "bowser", timeout: .seconds(20))
    } throws: { ($0 as? RunError)?.mayHaveRun == false && "\($0)".contains("not as bowser") }
  }

  @Test("A file is replaced in one step, with its mode, and comes back as it was; what fails leaves nothing behind")
  func files() async throws {
    struct Enough: Error {}
    let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    for content in [[1, 2, 3], bytes] {
      try await runner.upload(content, to: "a file", mode: 0o640, as: me, timeout: .seconds(20))
      let answers = Answers()
      try await runner.download("a file", as: me) { await answers.add($0) }
      #expect(await answers.bytes == content)
    }
    let path = home.appendingPathComponent("a file").path
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o640)
    let failing = Pull(
      AsyncStream {
        $0.yield([1])
        $0.finish()
      })
    await #expect(throws: Enough.self) {
      try await runner.upload(
        from: {
          guard let bytes = await failing.next() else { throw Enough() }
          return bytes
        }, to: "a file", mode: 0o600, as: me)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: home.path) == ["a file"])
    await #expect(throws: RunError.self) { try await runner.download("missing", as: me) { _ in } }
    await #expect {
      try await runner.upload([1], to: "missing/x", mode: 0o600, as: me, timeout: .seconds(20))
    } throws: { if case RunError.file(let reason) = $0 { reason.contains("no such file") } else { false } }
  }
}

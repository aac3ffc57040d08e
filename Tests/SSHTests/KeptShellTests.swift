import Foundation
import SSH
import Shell
import Support
import TestSupport
import Testing

@Suite("Commands in a kept shell", .serialized)
struct KeptShellTests {
  @Test("A command's exit status, output and errors come back as they were", arguments: Case.all)
  func result(row: Case) async throws {
    let server = try await TestServer.start()
    let output = try await Caller(server).run(row.script)
    #expect(output.exitStatus == row.status)
    #expect(output.exitSignal == nil)
    #expect(output.text == row.stdout)
    if let stderr = row.stderr { #expect(String(decoding: output.stderr, as: UTF8.self) == stderr) }
    #expect(server.sessions == 1)
  }

  struct Case: CustomTestStringConvertible {
    let script: String
    var status: Int32 = 0
    var stdout = ""
    var stderr: String? = ""
    var testDescription: String { script }

    static let all = [
      Case(script: "echo hello", stdout: "hello\n"),
      Case(script: "printf 'no newline'", stdout: "no newline"),
      Case(script: "exit 3", status: 3),
      Case(script: "echo out; echo err >&2; exit 255", status: 255, stdout: "out\n", stderr: "err\n"),
      Case(script: "printf 'a\\000b\\036c'; printf err >&2", stdout: "a\0b\u{1e}c", stderr: "err"),
      Case(script: "no-such-program-here", status: 127, stderr: nil),
      Case(script: "echo 'it'\\''s'", stdout: "it's\n"),
      Case(script: "'", status: 2, stderr: nil),
      Case(script: "done )", status: 2, stderr: nil),
      Case(script: "# nothing"),
      Case(script: "cat", stdout: ""),
      Case(script: "echo $((1 + 1))\necho three # and more", stdout: "2\nthree\n"),
    ]
  }

  @Test("A signal that ended the command is named, and there is no exit status", arguments: ["KILL", "TERM", "USR1"])
  func signal(name: String) async throws {
    let server = try await TestServer.start()
    let output = try await Caller(server).run("exec sh -c 'kill -\(name) $$'")
    #expect(output.exitSignal == name)
    #expect(output.exitStatus == nil)
  }

  @Test("Many commands, and many at once, need no more sessions than ran at once")
  func sessions() async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server)
    for number in 0..<50 { #expect(try await caller.run("echo \(number)").text == "\(number)\n") }
    #expect(server.sessions == 1)
    for _ in 0..<3 {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<40 {
          group.addTask {
            let output = try await caller.run("cat; echo \(number) >&2; exit \(number)", stdin: Array("\(number)".utf8))
            #expect(output.text == "\(number)" && output.exitStatus == Int32(number))
            #expect(output.stderr == Array("\(number)\n".utf8))
          }
        }
        try await group.waitForAll()
      }
    }
    #expect(server.sessions <= 24 && server.logins <= 3)
  }

  @Test(
    "Nothing of a command is left for the next one",
    arguments: [
      "cd /", "umask 0", "LEFT=1; export LEFT", "trap 'echo trapped' EXIT", "set -e", "exit 7", "set -u", "exec >&2",
      "left() { echo left; }", "set -- left", "exec 3>&1", "PATH=", "alias echo=false", "set -f", "ulimit -n 5",
      "IFS=o",
    ])
  func isolation(script: String) async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server)
    let probe =
      "echo hello; pwd; umask; echo \"${LEFT-} $# $- $PATH\"; ulimit -n; false; (left; echo >&3) 2>/dev/null; echo $?"
    let before = try await caller.run(probe)
    _ = try await caller.run(script)
    let after = try await caller.run(probe)
    #expect(after.text == before.text && after.exitStatus == before.exitStatus)
    #expect(server.sessions == 1)
  }

  @Test("Any bytes pass through standard input and output unchanged", arguments: [0, 1, 255, 5_000, 50_000, 200_000])
  func stdin(count: Int) async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server)
    for first in [0, 1] as [UInt8] {  // With a NUL byte, and without.
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 % (256 - Int(first))) + first }
      let output = try await caller.run("cat", stdin: bytes)
      #expect(output.exitStatus == 0 && output.stdout == bytes)
      let unread = try await caller.run("exit 4", stdin: bytes)
      #expect(unread.exitStatus == 4)
    }
  }

  @Test("Output past the limits is dropped and said to be cut, and what follows is the next command's own")
  func limits() async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server)
    let output = try await caller.run(
      "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; exit 5",
      limits: OutputLimits(stdout: 1000, stderr: 200_000))
    #expect(output.exitStatus == 5)
    #expect(output.stdout.count == 1000 && output.stdoutTruncated)
    #expect(output.stderr.count == 200_000 && !output.stderrTruncated)
    let much = try await caller.run("head -c 10000000 /dev/zero")
    #expect(much.stdout.count == 10_000_000 && !much.stdoutTruncated && much.stderr.isEmpty)
    #expect(server.sessions == 1)
  }

  @Test("When the time is up the call ends at once, its processes are killed, and others are not disturbed")
  func deadline() async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server)
    let file = server.directory.appendingPathComponent("pid").path
    let neighbour = Task { try await caller.run("sleep 1; echo mine") }
    let start = ContinuousClock.now
    await #expect(throws: SSHError.timedOut(server.destination, started: true)) {
      try await caller.run("sh -c 'echo $$ > \(file); sleep 60; true'", timeout: .milliseconds(500))
    }
    #expect(ContinuousClock.now - start < .seconds(5))
    #expect(try await caller.run("echo still").text == "still\n")
    #expect(try await neighbour.value.text == "mine\n")
    let pid = try #require(pid_t(String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .newlines)))
    for _ in 0..<500 where kill(pid, 0) == 0 { try await Task.sleep(for: .milliseconds(10)) }
    #expect(kill(pid, 0) != 0)
    #expect(server.logins == 1)
  }

  @Test("A cancelled task ends its command's call, and the connection serves others")
  func cancellation() async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server)
    let file = server.directory.appendingPathComponent("begun").path
    let task = Task { try await caller.run("touch \(file); sleep 20") }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    task.cancel()
    await #expect(throws: SSHError.timedOut(server.destination, started: true)) { try await task.value }
    #expect(try await caller.run("echo still").text == "still\n")
    #expect(server.logins == 1)
  }

  @Test("A shell that dies takes only its own command along, which may have run")
  func death() async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server)
    let neighbour = Task { try await caller.run("sleep 1; echo mine") }
    await #expect(throws: SSHError.disconnected(server.destination, started: true)) {
      try await caller.run("kill -KILL $$; sleep 1")
    }
    #expect(try await caller.run("echo next").text == "next\n")
    #expect(try await neighbour.value.text == "mine\n")
    #expect(server.logins == 1)
  }

  @Test("A shell that dies while nobody uses it is replaced unnoticed")
  func idleDeath() async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server)
    let pid = try await caller.run("echo $$").text.trimmingCharacters(in: .newlines)
    try await Task.sleep(for: .milliseconds(50))
    kill(try #require(pid_t(pid)), SIGKILL)
    try await Task.sleep(for: .milliseconds(300))
    #expect(try await caller.run("echo next").text == "next\n")
    #expect(server.sessions == 2 && server.logins == 1)
  }

  @Test("What a command left behind writes later is not taken for the next one's output")
  func strayOutput() async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server)
    _ = try await caller.run("(sleep 0.2; echo stray; echo stray >&2) &")
    try await Task.sleep(for: .milliseconds(600))
    let output = try await caller.run("echo mine")
    #expect(output.text == "mine\n" && output.stderr.isEmpty)
    #expect(server.logins == 1)
  }

  @Test("A command whose connection breaks may have run, and is not repeated; the next one finds a new connection")
  func brokenConnection() async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server, pool: server.pool { $0.backoff = .milliseconds(1)...(.milliseconds(2)) })
    let file = server.directory.appendingPathComponent("runs").path
    let task = Task { try await caller.run("echo run >> \(file); sleep 20") }
    while !FileManager.default.fileExists(atPath: file) { try await Task.sleep(for: .milliseconds(10)) }
    server.kill()
    await #expect(throws: SSHError.disconnected(server.destination, started: true)) { try await task.value }
    try await server.start()
    #expect(try await caller.run("cat \(file)").text == "run\n")
    server.kill()
    try await server.start()
    #expect(try await caller.run("cat \(file)").text == "run\n")
  }

  @Test("Shells that nobody uses make room where the server allows few sessions", arguments: [1, 2, 5])
  func maxSessions(count: Int) async throws {
    let server = try await TestServer.start(options: ["MaxSessions \(count)"])
    let caller = try Caller(server)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<30 {
        group.addTask {
          let output = try await number % 3 == 0 ? caller.runAlone("echo x") : caller.run("echo x")
          #expect(output.text == "x\n")
        }
      }
      try await group.waitForAll()
    }
  }

  @Test("Commands on channels of their own find room beside as many kept shells as there may be")
  func mixed() async throws {
    let server = try await TestServer.start()
    let caller = try Caller(server, pool: server.pool { $0.connectionsPerDestination = 1 })
    for _ in 0..<3 {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 { group.addTask { _ = try await caller.run("sleep 0.05") } }
        try await group.waitForAll()
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 { group.addTask { _ = try await caller.runAlone("sleep 0.05") } }
        try await group.waitForAll()
      }
    }
    #expect(server.logins == 1 && server.count("no more sessions") == 0)
  }

  @Test("Start files that print, on either stream, do not matter")
  func startFiles() async throws {
    let server = try await TestServer.start()
    try "echo welcome; echo warning >&2; echo -n unfinished\n".write(
      to: server.directory.appendingPathComponent(".bashrc"), atomically: true, encoding: .utf8)
    let caller = try Caller(server)
    for _ in 0..<2 {
      let output = try await caller.run("echo mine")
      #expect(output.text == "mine\n" && output.stderr.isEmpty)
    }
    #expect(server.sessions == 1)
  }

  @Test("Words arrive unchanged whatever the login shell", arguments: LoginShells.installed)
  func loginShells(shell: String) async throws {
    try await checkWords(TestServer.start(options: ["ForceCommand exec \(shell) -c \"$SSH_ORIGINAL_COMMAND\""]))
  }

  static let kinds = ["dash", "bash", "busybox", "zsh", "ksh"].filter {
    FileManager.default.isExecutableFile(atPath: "/bin/\($0)")
  }

  /// As if /bin/sh were another one.
  private static func server(whereShellIs kind: String) async throws -> TestServer {
    let server = try await TestServer.start(options: [
      "ForceCommand eval \"$(printf %s \"$SSH_ORIGINAL_COMMAND\" | sed \"s#/bin/sh#$HOME/sh#g\")\""
    ])
    let link = server.directory.appendingPathComponent("sh").path
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/bin/\(kind)")
    return server
  }

  @Test("Words and standard input arrive unchanged whatever /bin/sh is", arguments: kinds)
  func shells(kind: String) async throws {
    let server = try await Self.server(whereShellIs: kind)
    try await checkWords(server)
    let caller = try Caller(server)
    let bytes = (0..<10_000).map { UInt8($0 % 255) + 1 }
    let output = try await caller.run("cat", stdin: bytes)
    #expect(output.stdout == bytes && output.stderr.isEmpty)
    #expect(try await caller.run("exit 200").exitStatus == 200)
    #expect(try await caller.run("exec sh -c 'kill -KILL $$'").exitSignal == "KILL")
    #expect(try await caller.run("'").exitStatus != 0)
    #expect(try await caller.run("set -e; cd /; false; echo on").stdout.isEmpty)
    #expect(try await caller.run("echo next").text == "next\n")
    #expect(server.sessions == 2)
  }

  private func checkWords(_ server: TestServer) async throws {
    let key = try TestKeys.key()
    let runner = SSHRunner(pool: try server.pool(), host: "127.0.0.1", port: server.port, keys: { _ in key })
    let words = HostileWords.all
    let expected: [UInt8] = words.flatMap { Array($0.utf8) + [0] }
    for command in [
      try Command(["printf", "%s\\0"] + words, environment: [("TZ", "UTC")]),
      try Command.script("for word in \"$@\"; do\nprintf '%s\\0' \"$word\"\ndone", words),
    ] {
      let result = try await runner.run(command, as: NSUserName(), timeout: .seconds(20))
      #expect(result.succeeded && result.stdout == expected && result.stderr.isEmpty)
    }
    #expect(server.sessions == 1)
  }

  @Test("An account that may not have a shell gets its commands run one by one")
  func noShell() async throws {
    let server = try await TestServer.start(options: [
      // A kept shell is what asks for no `go`.
      "ForceCommand case $SSH_ORIGINAL_COMMAND in *'= go'*) eval \"$SSH_ORIGINAL_COMMAND\";; *) echo no; exit 1;; esac"
    ])
    let caller = try Caller(server)
    for _ in 0..<3 { #expect(try await caller.run("echo hello").text == "hello\n") }
    #expect(server.sessions == 4 && server.logins == 1)
  }

  @Test("What is on standard input would not be among a program's arguments")
  func printfIsNoProgram() async throws {
    // As if /bin/sh were one without its own printf.
    let server = try await TestServer.start(options: [
      "ForceCommand case $SSH_ORIGINAL_COMMAND in *'= go'*) eval \"$SSH_ORIGINAL_COMMAND\";;"
        + " *) eval \"$(printf %s \"$SSH_ORIGINAL_COMMAND\" | sed \"s#/bin/sh#$HOME/sh#g\")\";; esac"
    ])
    let shell = server.directory.appendingPathComponent("sh").path
    try "#!/bin/dash\n[ $# = 0 ] || exec /bin/dash \"$@\"\nBASH_ENV=$HOME/env exec bash\n".write(
      toFile: shell, atomically: true, encoding: .utf8)
    try "enable -n printf\n".write(
      to: server.directory.appendingPathComponent("env"), atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: shell)
    let output = try await Caller(server).run("cat", stdin: Array("secret".utf8))
    #expect(output.text == "secret" && server.sessions == 2)
  }

  @Test("A command that may take long does not go to a kept shell")
  func patience() async throws {
    let server = try await TestServer.start()
    let key = try TestKeys.key()
    let runner = SSHRunner(pool: try server.pool(), host: "127.0.0.1", port: server.port, keys: { _ in key })
    for timeout in [20, 20, 300, 300] {
      _ = try await runner.run(Command(["true"]), as: NSUserName(), timeout: .seconds(timeout))
    }
    #expect(server.sessions == 3)
  }
}

/// Runs shell text on a test server.
private struct Caller: Sendable {
  let server: TestServer
  let pool: ConnectionPool
  let key: PrivateKey

  init(_ server: TestServer, pool: ConnectionPool? = nil) throws {
    self.server = server
    self.pool = try pool ?? server.pool()
    key = try TestKeys.key()
  }

  func run(
    _ script: String, stdin: [UInt8] = [], limits: OutputLimits = .init(), timeout: Duration = .seconds(30)
  ) async throws -> CommandOutput {
    try await pool.run(
      script, inKeptShell: true, on: server.destination, key: key, stdin: stdin, limits: limits, timeout: timeout)
  }

  /// On a channel of its own.
  func runAlone(_ command: String) async throws -> CommandOutput {
    try await pool.run(command, on: server.destination, key: key, timeout: .seconds(30))
  }
}

import Foundation
import SSH
import Shell
import Testing

@Suite("Commands for shells", .serialized)
struct ShellTests {
  /// Words that some shell or other reads as something else.
  static let words = [
    "plain", "", " ", "two words", "it's", "'", "''", "a'b'c", "\"", "\"double\"", "\\", "\\\\", "back\\slash\\", "\\n",
    "\\'", "$HOME", "${HOME}", "$(id)", "`id`", "!", "!!", "hist!ory", "!-1", "'!'", "a\nb", "\n", "\n\n", "trailing\n",
    "a\\\nb", "tab\there", "-leading", "--", "*", "?", "[a-z]", "{a,b}", "~", "~root", "#comment", "a;b", "a&b", "a|b",
    "<in", ">out", "(sub)", "=ls", "a=b", "%1", "^a^b", "@", ":", "ümlaut", "日本語", "🐢", "\u{7f}", "\u{1b}[31m", "\r\n",
    "%s%d", "\\0101", "\\c", "end\\",
  ]

  static let shells = ["/bin/sh", "/bin/bash", "/bin/dash", "/bin/ksh", "/bin/zsh", "/usr/bin/fish", "/bin/tcsh"]
    .filter { FileManager.default.isExecutableFile(atPath: $0) }

  private func expected(_ words: [String]) -> [UInt8] { words.flatMap { Array($0.utf8) + [0] } }

  @Test("Any word reaches a program unchanged, whatever the login shell", arguments: shells)
  func words(shell: String) async throws {
    for word in Self.words {
      let command = try Command(["printf", "%s\\0", word])
      #expect(try await run(shell, "-c", command.text) == expected([word]), "\(word.debugDescription)")
    }
    let command = try Command(["printf", "%s\\0"] + Self.words)
    #expect(try await run(shell, "-c", command.text) == expected(Self.words))
  }

  @Test("A script gets its arguments, and its own newlines, whatever the login shell", arguments: shells)
  func scripts(shell: String) async throws {
    let command = try Command.script(
      """
      # It's a script! With "quotes" and \\ and $1.
      for word in "$@"; do
        printf '%s\\0' "$word"
      done
      """, Self.words)
    #expect(try await run(shell, "-c", command.text) == expected(Self.words))
  }

  @Test("Long words pass, whatever the login shell", arguments: shells)
  func longWords(shell: String) async throws {
    let word = String(repeating: "it's long! ", count: 3000)
    let command = try Command(["printf", "%s\\0", word])
    #expect(try await run(shell, "-c", command.text) == expected([word]))
  }

  @Test("Words arrive unchanged through a real sshd")
  func throughServer() async throws {
    let server = try await TestServer.start()
    let key = try TestKeys.key()
    let runner = SSHRunner(pool: try server.pool(), host: "127.0.0.1", port: server.port, keys: { _ in key })
    let command = try Command(["printf", "%s\\0"] + Self.words, environment: [("TZ", "UTC")])
    let result = try await runner.run(command, as: NSUserName(), timeout: .seconds(20))
    #expect(result.succeeded)
    #expect(result.stdout == expected(Self.words))
  }

  @Test("Harmless words stay readable")
  func readable() throws {
    let command = try Command(["squeue", "-h", "--format=%i,%T", "/a/b_c-d.e:f@g+h"], environment: [("TZ", "UTC")])
    #expect(command.script.hasSuffix("\nexec env TZ=UTC squeue -h '--format=%i,%T' /a/b_c-d.e:f@g+h"))
    #expect(command.arguments == ["env", "TZ=UTC", "squeue", "-h", "--format=%i,%T", "/a/b_c-d.e:f@g+h"])
  }

  @Test("What no program can be given is refused")
  func refusals() {
    #expect(throws: CommandError.empty) { try Command([]) }
    #expect(throws: CommandError.containsNUL) { try Command(["echo", "a\0b"]) }
    #expect(throws: CommandError.containsNUL) { try Command.script("echo", ["a\0b"]) }
    #expect(throws: CommandError.containsNUL) { try Command(["echo"], environment: [("A", "\0")]) }
    for name in ["", "1A", "A=B", "A B", "Ä"] {
      #expect(throws: CommandError.invalidVariableName(name)) { try Command(["echo"], environment: [(name, "")]) }
    }
    #expect {
      try Command(["echo", String(repeating: "x", count: 200_000)])
    } throws: { if case CommandError.tooLong(200_000...201_000) = $0 { true } else { false } }
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

  @Test(
    "Messages for people are trimmed, bounded and always text",
    arguments: [
      ([], ""), (Array(" \n oops \n\n".utf8), "oops"), ([0x6f, 0xff, 0x70], "o\u{fffd}p"),
      ([UInt8](repeating: 0x61, count: 5000), String(repeating: "a", count: 2000)),
    ] as [([UInt8], String)])
  func message(stderr: [UInt8], text: String) {
    #expect(CommandResult(exitStatus: 1, stderr: stderr).message == text)
  }
}

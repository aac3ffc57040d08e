import Foundation
import Shell
import TestSupport
import Testing

@Suite("Commands for shells", .serialized)
struct CommandTests {
  @Test("Any word reaches a program unchanged, whatever the login shell", arguments: LoginShells.installed)
  func words(shell: String) async throws {
    for word in HostileWords.all {
      let command = try Command(["printf", "%s\\0", word])
      #expect(try await run(shell, "-c", command.text) == printed([word]), "\(word.debugDescription)")
    }
    let command = try Command(["printf", "%s\\0"] + HostileWords.all)
    #expect(try await run(shell, "-c", command.text) == printed(HostileWords.all))
  }

  @Test("A script gets its arguments, and its own newlines, whatever the login shell", arguments: LoginShells.installed)
  func scripts(shell: String) async throws {
    let command = try Command.script(
      """
      # It's a script! With "quotes" and \\ and $1.
      for word in "$@"; do
        printf '%s\\0' "$word"
      done
      """, HostileWords.all)
    #expect(try await run(shell, "-c", command.text) == printed(HostileWords.all))
  }

  @Test("Long words pass, whatever the login shell", arguments: LoginShells.installed)
  func longWords(shell: String) async throws {
    let word = String(repeating: "it's long! ", count: 3000)
    let command = try Command(["printf", "%s\\0", word])
    #expect(try await run(shell, "-c", command.text) == printed([word]))
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

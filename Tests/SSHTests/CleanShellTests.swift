import Foundation
import Shell
import TestSupport
import Testing

@testable import SSH

/// Runs the text that Weir really sends in an account whose login files are hostile.
@Suite("Login files do not change what Weir's scripts do", .serialized)
struct CleanShellTests {
  /// What a login shell's start file says, for bash; others get the exports only.
  struct Hostility: Sendable, CustomTestStringConvertible {
    let name: String
    var exports: [(String, String)] = []
    var bash = ""
    var testDescription: String { name }
  }

  static let hostilities = [
    Hostility(name: "none"),
    Hostility(
      name: "variables of shells",
      exports: [
        ("CDPATH", "/HOME/elsewhere:."), ("IFS", "a/"), ("ENV", "/HOME/noise"), ("BASH_ENV", "/HOME/noise"),
        ("GLOBIGNORE", "*"), ("EXECIGNORE", "*/date:*/ls"), ("TMOUT", "1"), ("FUNCNEST", "1"), ("BASH_VERSION", "5"),
        ("BASH_COMPAT", "3.1"),
      ]),
    Hostility(
      name: "options of programs, and languages",
      exports: [
        ("POSIXLY_CORRECT", "1"), ("_POSIX2_VERSION", "199209"), ("GREP_OPTIONS", "-v"), ("QUOTING_STYLE", "c"),
        ("TIME_STYLE", "+x"), ("BLOCK_SIZE", "1"), ("TAR_OPTIONS", "-v"), ("LS_COLORS", "di=1"), ("GZIP", "-9"),
        ("LC_ALL", "C.UTF-8"), ("LC_MESSAGES", "de_DE.UTF-8"), ("LANGUAGE", "de:fr"), ("LANG", "tr_TR.UTF-8"),
      ]),
    Hostility(
      name: "readonly variables",
      bash: "CDPATH=$HOME/elsewhere IFS=a/ TMOUT=1; readonly IFS CDPATH TMOUT; export IFS CDPATH TMOUT"),
    Hostility(name: "options by the environment", bash: "set -eufC; export SHELLOPTS"),
    Hostility(name: "trace and verbose", bash: "PS4='$(echo hijacked >&2)'; export PS4 SHELLOPTS; set -xv"),
    Hostility(name: "trace to standard output", bash: "BASH_XTRACEFD=1; export BASH_XTRACEFD SHELLOPTS; set -x"),
    Hostility(name: "options of bash", bash: "shopt -s nullglob failglob nocasematch xpg_echo; export BASHOPTS"),
    Hostility(
      name: "functions and aliases",
      bash: #"""
        shopt -s expand_aliases; alias cd=false ls=false sh=false echo=false
        for name in cd echo printf test [ read kill command pwd ls tar cat sh env date umask; do
          builtin eval "function $name { builtin echo hijacked; }"; builtin export -f $name
        done
        """#),
  ]

  static let loginShells = ["bash", "dash", "zsh", "fish", "csh"].filter { isThere("/bin/\($0)") }
  /// What `/bin/sh` may be.
  static let shells = ["bash", "dash", "busybox", "zsh", "ksh"].filter { isThere("/bin/\($0)") }

  private static func isThere(_ path: String) -> Bool { FileManager.default.isExecutableFile(atPath: path) }

  /// Says what a shell and the usual programs make of it.
  static let probe = """
    mkdir -p work && cd work && pwd
    words='a/b c'; set -- $words; echo $# "$1"
    true >file; true >file && echo written
    echo * ; echo nothing-[x]
    case A in a) echo nocase ;; *) echo case ;; esac
    false; echo "${no_such_variable}on"
    echo 'a\\\\b' | grep -c b
    inner() { [ "$1" = 0 ] || inner $(($1 - 1)); }; inner 3 && echo nested
    read -r line <<END
    text
    END
    echo "$line"; printf '%s\\n' "$LC_ALL"; ls -d 'a b' file 2>/dev/null
    tar -czf - file | tar -tzf -; sh -c 'cd ../work && echo inside'
    echo done >&2
    """

  @Test("A script and the shell that stays", arguments: hostilities, shells)
  func unchanged(hostility: Hostility, shell: String) async throws {
    for loginShell in hostility.bash.isEmpty ? Self.loginShells : ["bash"] {
      let account = try Account(loginShell: loginShell, shell: shell, hostility)
      let expected = """
        \(account.home)/work\n2 a/b\nwritten\nfile\nnothing-[x]\ncase\non\n1\nnested\ntext\nC\nfile\nfile\ninside

        """
      // A trace of the login shell itself may come before.
      let command = try Command.script(ScriptText(trusted: Self.probe), [])
      let alone = try await account.run(command.text)
      #expect(alone.stdout.hasSuffix(expected), "\(loginShell), by itself")
      let kept = try await account.run(
        CleanShell.keptShell(mark: CommandMark()), stdin: "(eval \(ShellQuoting.quote(command.script)))\n")
      #expect(kept.stdout.hasSuffix(expected), "\(loginShell), kept")
      #expect(kept.stderr.hasSuffix("done\n") && alone.stderr.hasSuffix("done\n"))
      let plain = try await account.run(
        Command(["printf", "%s,", "it's", "a\nb", "\\"], environment: [("TZ", "UTC")]).text)
      #expect(plain.stdout.hasSuffix("it's,a\nb,\\,"), "\(loginShell), a program")
    }
  }

  @Test("A job gets what the login files give to the account's programs", arguments: shells)
  func jobs(shell: String) async throws {
    let hostility = Hostility(
      name: "",
      exports: [
        ("LANG", "de_DE.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TMPDIR", "/scratch"), ("BASH_ENV", "/HOME/m"),
        ("TAR_OPTIONS", "-v"), ("SITE", "it's ours"),
      ],
      bash: "module() { echo loaded; }; export -f module; umask 027; CDPATH=$HOME/elsewhere; export CDPATH")
    let account = try Account(loginShell: "bash", shell: shell, hostility)
    let names = "$LANG $LC_ALL $TMPDIR $BASH_ENV $TAR_OPTIONS $SITE"
    let command = try Command.script(
      ScriptText(trusted: "echo \"\(names)\"; umask; exec bash -c 'module'"), [], startsJob: true)
    for isKept in [false, true] {
      let text = isKept ? CleanShell.keptShell(mark: CommandMark()) : command.text
      let result = try await account.run(text, stdin: isKept ? command.script : "")
      let lines = result.stdout.split(separator: "\n").dropFirst(isKept ? 1 : 0)
      #expect(
        lines.first ?? "" == "de_DE.UTF-8 C.UTF-8 /scratch \(account.home)/m -v it's ours"
          && lines.dropFirst().first?.hasSuffix("027") == true)
      // Others drop variables whose names are none, before Weir's script and after it.
      if shell == "bash" { #expect(lines.last ?? "" == "loaded") }
    }
  }
}

/// A home with start files, and a `/bin/sh` of a kind.
private final class Account {
  let home: String
  private let loginShell: String

  init(loginShell: String, shell: String, _ hostility: CleanShellTests.Hostility) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-home-\(UUID().uuidString)")
    let home = directory.path
    self.home = home
    self.loginShell = loginShell
    let files = FileManager.default
    try files.createDirectory(atPath: home + "/elsewhere/work", withIntermediateDirectories: true)
    try files.createSymbolicLink(atPath: home + "/sh", withDestinationPath: "/bin/" + shell)
    try "echo hijacked\n".write(toFile: home + "/noise", atomically: true, encoding: .utf8)
    let exports = hostility.exports.map { ($0, $1.replacing("/HOME", with: home)) }
    let posix = exports.map { "\($0)=\(ShellQuoting.quote($1)); export \($0)\n" }.joined()
    let text: [String: (file: String, text: String)] = [
      "bash": (".bashrc", posix + hostility.bash + "\n"), "zsh": (".zshenv", posix),
      "fish": (".config/fish/config.fish", exports.map { "set -gx \($0) \(ShellQuoting.quote($1))\n" }.joined()),
      "csh": (".cshrc", exports.map { "setenv \($0) \(ShellQuoting.quote($1))\n" }.joined()),
    ]
    variables = loginShell == "dash" ? exports : []
    guard let start = text[loginShell] else { return }
    let file = directory.appendingPathComponent(start.file)
    try files.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try start.text.write(to: file, atomically: true, encoding: .utf8)
  }

  /// Of a shell that reads no start file: as pam_env sets them.
  private let variables: [(String, String)]

  deinit { try? FileManager.default.removeItem(atPath: home) }

  /// Runs a line as sshd does.
  func run(_ line: String, stdin: String = "") async throws -> (stdout: String, stderr: String) {
    try stdin.write(toFile: home + "/stdin", atomically: true, encoding: .utf8)
    // bash reads .bashrc where it thinks that sshd started it.
    let environment =
      [("HOME", home), ("PATH", "/usr/local/bin:/usr/bin:/bin"), ("SSH_CLIENT", "::1 1 22")] + variables
    let start =
      ["/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\" <stdin 2>stderr", "sh", home, "/usr/bin/env", "-i"]
      + environment.map { "\($0)=\($1)" }
    let words = start + ["/bin/\(loginShell)", "-c", line.replacing("/bin/sh", with: home + "/sh")]
    try await onThread { [home] in try Child(words, stdout: home + "/stdout").wait() }
    return (
      try String(contentsOfFile: home + "/stdout", encoding: .utf8),
      try String(contentsOfFile: home + "/stderr", encoding: .utf8)
    )
  }
}

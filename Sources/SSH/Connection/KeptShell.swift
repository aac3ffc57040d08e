import Shell

/// A `/bin/sh` that stays for many commands, one after another. A command then costs the server a fork; with a channel
/// of its own it costs the channel, two round trips, the login shell and that shell's start files.
///
/// The shell takes its standard input for a script. Of a command it gets: the command in a subshell, so that nothing
/// of it stays (directory, variables, umask, traps), with a standard input of its own; then a mark for the end of
/// either stream, with a nonce that is new each time, on standard output with how the command ended.
struct KeptShell {
  /// After this long a shell is replaced: it has the environment of the day it was started.
  static let lifetime: Duration = .seconds(600)
  /// Shells past the first one end after this long without a command.
  static let idleTime: Duration = .seconds(60)

  let channel: Session.Channel
  /// The shell's process group, to which its commands belong.
  let processGroup: Int32
  let startedAt = ContinuousClock.now
  var idleSince = ContinuousClock.now

  /// What ends all that the shell has started, and the shell too. Nobody waits for it.
  var kill: String { "kill -s TERM -- -\(processGroup) && sleep 1 && kill -s KILL -- -\(processGroup)" }
}

/// What a kept shell is asked.
struct ShellRequest {
  let mark: String
  let bytes: [UInt8]

  /// A byte that is rare in output, to look for first.
  static let markStart: UInt8 = 0x1e

  /// The most bytes of a request: some shells read them one by one.
  private static let limit = 64 << 10

  /// The command is shell text. Nil if it cannot be asked this way: no text of a shell's has a NUL byte.
  init?(_ command: String, stdin: [UInt8]) {
    guard command.utf8.count + stdin.count <= Self.limit, !command.utf8.contains(0), !stdin.contains(0) else {
      return nil
    }
    var bytes: [UInt8] = []
    if !stdin.isEmpty {
      bytes += "printf %s ".utf8
      Self.quote(stdin, into: &bytes)
      bytes += " | ".utf8
    }
    // Text that is not shell code ends with the subshell.
    bytes += "(eval ".utf8
    Self.quote(command.utf8, into: &bytes)
    bytes += stdin.isEmpty ? ") </dev/null\n".utf8 : ")\n".utf8
    // A shell says 128 + n where signal n has ended a command, and cannot tell that from an exit status.
    bytes += "weir_end=$?; [ $weir_end -le 128 ] || [ $weir_end -ge 160 ] || ".utf8
    bytes += "weir_end=\"$weir_end $(kill -l $weir_end 2>/dev/null)\"\n".utf8
    self.init(bytes, saying: "$weir_end")
  }

  /// The first request, which tells whether there is such a shell, and its process group. Standard input may hold
  /// secrets: if printf were a program, they would be among its arguments, where everybody sees them.
  static var greeting: ShellRequest { ShellRequest([], saying: "$$ $(command -v printf)") }

  /// What is to come for it.
  func streams(_ limits: OutputLimits) -> (stdout: MarkedStream, stderr: MarkedStream) {
    (MarkedStream(mark: mark, limit: limits.stdout), MarkedStream(mark: mark, limit: limits.stderr))
  }

  /// The process group of a shell that has answered the greeting as it should.
  static func processGroup(in answer: String) -> Int32? {
    let words = answer.split(separator: " ")
    guard words.count == 2, words[1] == "printf", let group = Int32(words[0]), group > 1 else { return nil }
    return group
  }

  private init(_ bytes: [UInt8], saying words: String) {
    mark = String(UnicodeScalar(Self.markStart)) + Self.nonce() + Self.nonce()
    self.bytes = bytes + "echo \(mark) >&2; echo \(mark) \(words)\n".utf8
  }

  static func nonce() -> String { String(UInt64.random(in: (1 << 63) ... .max), radix: 16) }

  /// Single quotes as POSIX has them (XCU 2.2.2).
  private static func quote(_ text: some Sequence<UInt8>, into bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "'"))
    for byte in text {
      if byte == UInt8(ascii: "'") { bytes += #"'\'"#.utf8 }
      bytes.append(byte)
    }
    bytes.append(UInt8(ascii: "'"))
  }
}

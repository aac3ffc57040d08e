import Shell

/// The line that a command prints on each stream when the account's login files have ended. Nothing else prints it.
struct CommandMark {
  /// The lines, without their ends. They differ: login files may have sent standard error to standard output.
  let stdout: [UInt8]
  let stderr: [UInt8]
  /// Shell text that prints them, the one on standard error first.
  let printing: String

  init() {
    let nonce = ShellRequest.nonce() + ShellRequest.nonce()
    stdout = [ShellRequest.markStart] + Array("\(nonce)-out".utf8)
    stderr = [ShellRequest.markStart] + Array("\(nonce)-err".utf8)
    printing = #"printf '\036%s\n' \#(nonce)-err >&2; printf '\036%s\n' \#(nonce)-out"#
  }
}

extension CleanShell {
  /// The line of ``line(_:)`` for a script that begins when it has read a line `go` on standard input, having written
  /// the mark to standard error and then to standard output. So it is known when login files have ended, and whether it
  /// ran.
  static func line(_ script: String, mark: CommandMark) -> String {
    line(
      #"\#(mark.printing); read -r weir && [ "$weir" = go ] || exit 125; eval "unset weir; set --; $(printf %b "$1")""#,
      [encoded(script)])
  }

  /// The same for a shell that stays, and takes its standard input for a script.
  static func keptShell(mark: CommandMark) -> String {
    line("\(mark.printing); case ${BASH_VERSION+x} in x) exec /bin/sh -p ;; esac; exec /bin/sh", [])
  }
}

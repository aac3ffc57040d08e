/// Starts `/bin/sh` so that no login file of the account changes how it reads a script.
///
/// Login shells run start files (`.bashrc`, `.zshenv`, `config.fish`, ...) before they run a command. What these export
/// reaches the `/bin/sh` of a script: variables that change builtins, options of bash, functions that take the place
/// of commands. So the login shell replaces itself with env(1), which removes the variables, readonly ones too, and
/// where `/bin/sh` is bash it runs privileged, which imports no functions but passes them on to its children: a job
/// still has `module`.
public enum CleanShell {
  /// Variables that change what a shell's own syntax and builtins do. No job needs them from its login files.
  private static let variables = [
    "BASHOPTS", "BASH_COMPAT", "BASH_XTRACEFD", "CDPATH", "EXECIGNORE", "FUNCNEST", "GLOBIGNORE", "IFS", "SHELLOPTS",
    "TMOUT",
    // Only a real bash sets it then.
    "BASH_VERSION",
  ]

  /// Variables that change what other programs print or do. Jobs get them, scripts that print something to be parsed
  /// do not.
  private static let toolVariables = [
    "ENV", "BASH_ENV", "POSIXLY_CORRECT", "_POSIX2_VERSION", "LANGUAGE", "BLOCK_SIZE", "BLOCKSIZE", "LS_BLOCK_SIZE",
    "DF_BLOCK_SIZE", "DU_BLOCK_SIZE", "QUOTING_STYLE", "TIME_STYLE", "LS_COLORS", "CLICOLOR_FORCE", "GREP_OPTIONS",
    "GREP_COLOR", "GREP_COLORS", "TAR_OPTIONS", "GZIP", "PS_FORMAT", "PS_PERSONALITY",
  ]

  /// The first line of a script that depends on what programs print: their output is that of the C locale, whatever the
  /// account prefers.
  public static let neutralTools = "unset \(toolVariables.joined(separator: " ")); LC_ALL=C; export LC_ALL\n"

  /// Login shells read it: no quotes but single ones, no newline.
  private static let start = "exec /usr/bin/env " + variables.map { "-u \($0) " }.joined() + "/bin/sh -c "

  /// Runs the next word as a script. A shell that is not bash does it itself.
  private static let privileged =
    #"case ${BASH_VERSION+x} in x) exec /bin/sh -p -c "$0" "$@" ;; esac; shift; eval "$0""#

  /// A line for the `-c` of any login shell (sh, bash, dash, ksh, zsh, fish, csh or tcsh) that runs a script, its
  /// positional parameters unset.
  public static func line(_ script: String) -> String {
    line(#"eval "set --; $(printf %b "$1")""#, [encoded(script)])
  }

  /// The same for a script with arguments; neither may hold a newline.
  package static func line(_ script: String, _ arguments: [String]) -> String {
    start + ([privileged, script, "sh"] + arguments).map(ShellQuoting.quote).joined(separator: " ")
  }

  /// csh has no quotes that can hold a newline: so it gets none, and printf(1) makes them again.
  package static func encoded(_ script: String) -> String {
    var encoded: [UInt8] = []
    encoded.reserveCapacity(script.utf8.count + script.utf8.count / 8)
    for byte in script.utf8 {
      switch byte {
      case UInt8(ascii: "\n"): encoded += #"\n"#.utf8
      case UInt8(ascii: "\\"): encoded += #"\\"#.utf8
      default: encoded.append(byte)
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }
}

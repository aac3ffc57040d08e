import Support

/// A command as an argument list, and the shell text that runs just that, whatever the account's login files set.
///
/// What login files export is undone where it changes how a shell reads Weir's text (``CleanShell``), and, but for a
/// command that starts a job, where it changes what programs print: such a command gets the C locale and no options from
/// variables like `TAR_OPTIONS`.
public struct Command: Sendable, Equatable {
  /// The program and its arguments; with an environment, `env`, the variables, the program and its arguments.
  public let arguments: [String]

  /// The command as a script for a clean `/bin/sh`.
  public let script: String

  /// The command for a login shell's `-c`: sh, bash, dash, ksh, zsh, fish, csh or tcsh.
  public var text: String { CleanShell.line(script) }

  /// How many of ``arguments`` are variables of the environment.
  private let variables: Int
  /// The name of the script that runs, if it has one.
  private let title: String?

  /// The command for the log: quoted as in ``text``, without the values of its environment, each word of at most 500
  /// characters, in one line of at most 2,000.
  ///
  /// Nothing secret may be among the arguments in the first place: everybody on that machine can see them (ps(1)).
  public var summary: String {
    if let title {
      // Of `sh -c TEXT sh ARGUMENTS...` what differs from one time to the next.
      let words = arguments.dropFirst(4).map { LogText.line(ShellQuoting.quote($0), limit: 500) }
      return LogText.line(([title] + words).joined(separator: " "))
    }
    let words = arguments.enumerated().map { index, word in
      let isVariable = variables > 0 && (1...variables).contains(index)
      return isVariable ? word.prefix { $0 != "=" } + "=…" : LogText.line(ShellQuoting.quote(word), limit: 500)
    }
    return LogText.line(words.joined(separator: " "))
  }

  /// The longest ``text``, in bytes. Linux passes at most 128 KiB as one argument to a program (MAX_ARG_STRLEN, execve(2)),
  /// and over SSH the text has a prefix and a suffix. Longer text belongs on standard input.
  public static let maximumLength = 127 * 1024

  /// - Parameters:
  ///   - arguments: the program, looked up in the account's PATH, and its arguments, taken literally.
  ///   - environment: variables for the program, beside those that the account has.
  ///   - startsJob: whether a job inherits the environment, and so needs the account's locale and options of programs.
  public init(
    _ arguments: [String], environment: [(String, String)] = [], startsJob: Bool = false
  ) throws(CommandError) {
    try self.init(arguments, environment: environment, startsJob: startsJob, script: nil)
  }

  private init(
    _ arguments: [String], environment: [(String, String)], startsJob: Bool, script: String?, title: String? = nil
  ) throws(CommandError) {
    guard !arguments.isEmpty else { throw .empty }
    var words: [String] = []
    if !environment.isEmpty {
      words.append("env")
      for (name, value) in environment {
        guard Self.isVariableName(name) else { throw .invalidVariableName(name) }
        words.append("\(name)=\(value)")
      }
    }
    words += arguments
    guard !words.contains(where: { $0.utf8.contains(0) }) else { throw .containsNUL }
    self.arguments = words
    variables = environment.count
    self.title = title
    self.script = (startsJob ? "" : CleanShell.neutralTools) + (script ?? "exec " + Self.quoted(words))
    let length = text.utf8.count
    guard length <= Self.maximumLength else { throw .tooLong(bytes: length) }
  }

  /// A fixed POSIX shell script with arguments, which it finds as `$1`, `$2`, ...: nothing is pasted into its text.
  /// - Parameter startsJob: as for ``init(_:environment:startsJob:)``.
  public static func script(
    _ script: StaticString, _ arguments: [String], startsJob: Bool = false
  ) throws(CommandError) -> Command {
    try self.script(ScriptText(trusted: script.description), arguments, startsJob: startsJob)
  }

  /// The same for a script that was not written down where it is used.
  public static func script(
    _ script: ScriptText, _ arguments: [String], startsJob: Bool = false
  ) throws(CommandError) -> Command {
    try Command(
      ["sh", "-c", script.text, "sh"] + arguments, environment: [], startsJob: startsJob,
      script: "set -- \(quoted(arguments))\n\(script.text)", title: script.name)
  }

  private static func quoted(_ words: [String]) -> String { words.map(ShellQuoting.quote).joined(separator: " ") }

  /// XBD 3.231: a name in the shell.
  private static func isVariableName(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
    return name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }
}

/// Why a command cannot be made.
public enum CommandError: Error, Sendable, Equatable, CustomStringConvertible {
  /// There is no program.
  case empty
  /// No program can be given a NUL byte in an argument.
  case containsNUL
  case invalidVariableName(String)
  /// The text is longer than ``Command/maximumLength``.
  case tooLong(bytes: Int)

  public var description: String {
    switch self {
    case .empty: "a command needs a program"
    case .containsNUL: "an argument of a command must not contain a NUL byte"
    case .invalidVariableName(let name): "'\(name)' is not a name of an environment variable"
    case .tooLong(let bytes): "a command of \(bytes) bytes exceeds the limit of \(Command.maximumLength) bytes"
    }
  }
}

import Support

/// A place where commands can be run under several accounts.
public protocol Runner: Sendable {
  /// Runs a command to its end.
  ///
  /// A command that failed is a result, not an error; an error means that its result is not known.
  /// - Parameters:
  ///   - account: the account there that runs it.
  ///   - stdin: its standard input, then end of file.
  ///   - limits: how much output is kept; the rest is dropped.
  ///   - timeout: time for all of it, waiting for a connection included.
  func run(
    _ command: Command, as account: String, stdin: [UInt8], limits: OutputLimits, timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult

  /// Runs a command to its end and passes its standard output on as it arrives; while that takes time, the command waits.
  ///
  /// Throws a ``RunError``, or what one of the closures has thrown; the command is asked to end then. A cancelled task
  /// is a ``RunError/interrupted(_:)``.
  /// - Parameters:
  ///   - input: its standard input.
  ///   - timeout: time for all of it; nil for any.
  ///   - onOutput: gets the next bytes of its standard output. It must end when its task is cancelled, which happens
  ///     when the connection is lost or the time is up.
  /// - Returns: how the command ended, with the beginning of its standard error and no standard output.
  func stream(
    _ command: Command, as account: String, input: CommandInput, timeout: Duration?, purpose: CommandPurpose,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandResult

  /// Writes a file, which appears in one step, complete, in the place of the one that was there.
  ///
  /// Throws a ``RunError``, or what the closure has thrown; then nothing has changed.
  /// - Parameters:
  ///   - chunks: gives the next bytes, nil at the end.
  ///   - path: absolute, or relative to the account's home.
  ///   - mode: the permission bits, 0o600 for example.
  ///   - timeout: time for all of it; nil for any.
  func upload(
    from chunks: @escaping @Sendable () async throws -> [UInt8]?, to path: String, mode: Int32, as account: String,
    timeout: Duration?
  ) async throws

  /// Reads a file and passes it on as it arrives. Throws a ``RunError``, or what the closure has thrown.
  /// - Parameters:
  ///   - path: absolute, or relative to the account's home.
  ///   - timeout: time for all of it; nil for any.
  func download(
    _ path: String, as account: String, timeout: Duration?,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws

  /// What is wrong right now, one sentence each; empty if all is well.
  var statusLines: [String] { get }
}

extension Runner {
  /// Runs a command that changes something, or that somebody has asked for.
  public func run(
    _ command: Command, as account: String, stdin: [UInt8] = [], limits: OutputLimits = .init(), timeout: Duration
  ) async throws(RunError) -> CommandResult {
    try await run(command, as: account, stdin: stdin, limits: limits, timeout: timeout, purpose: .action)
  }

  /// Writes a file whose bytes are all there.
  public func upload(
    _ bytes: [UInt8], to path: String, mode: Int32, as account: String, timeout: Duration?
  ) async throws(RunError) {
    let chunks = Chunks(bytes)
    do {
      try await upload(from: { chunks.next() }, to: path, mode: mode, as: account, timeout: timeout)
    } catch {
      throw error as? RunError ?? .interrupted("\(error)")
    }
  }
}

/// What a command is for, which decides where the record of it goes.
public enum CommandPurpose: Sendable {
  /// It changes something, or somebody has asked for it: on the log at level info.
  case action
  /// It is one of the many by which a place is watched all the time: on the log at level debug.
  case observation
}

/// How a command ended.
public struct CommandResult: Sendable, Equatable {
  /// The exit status; -1 if a signal ended the command, see ``signal``.
  public let exitStatus: Int32
  /// The signal that ended the command, without SIG, or nil.
  public let signal: String?
  public let stdout: [UInt8]
  public let stderr: [UInt8]
  /// Whether there was more on standard output than was kept.
  public let stdoutTruncated: Bool

  public init(
    exitStatus: Int32, signal: String? = nil, stdout: [UInt8] = [], stderr: [UInt8] = [],
    stdoutTruncated: Bool = false
  ) {
    self.exitStatus = exitStatus
    self.signal = signal
    self.stdout = stdout
    self.stderr = stderr
    self.stdoutTruncated = stdoutTruncated
  }

  /// Whether the command ended by itself with status 0.
  public var succeeded: Bool { exitStatus == 0 && signal == nil }

  /// What the command said on standard error, for people: trimmed, at most 2000 characters,
  /// with U+FFFD for bytes that are not UTF-8.
  public var message: String {
    let text = String(decoding: stderr, as: UTF8.self)
    let trimmed = text.drop(while: \.isWhitespace)
    guard let last = trimmed.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(trimmed[...last].prefix(2000))
  }
}

/// Why the result of a command is not known.
public enum RunError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The command certainly did not start; it can be repeated.
  case unavailable(String)
  /// The command may have run, wholly or in part.
  case interrupted(String)
  /// There is no key with which to log in to this account.
  case noKey(account: String)
  /// The server did not accept the key of this account.
  case loginRefused(account: String, reason: String)
  /// A file could not be read or written there, for a reason of its own: it is missing, or not the account's.
  case file(String)

  /// Whether the command may have run, wholly or in part.
  public var mayHaveRun: Bool {
    switch self {
    case .interrupted: true
    case .unavailable, .noKey, .loginRefused, .file: false
    }
  }

  public var description: String {
    switch self {
    case .unavailable(let reason), .interrupted(let reason), .file(let reason), .loginRefused(_, let reason): reason
    case .noKey(let account): "there is no SSH key for the account \(account): configure one"
    }
  }
}

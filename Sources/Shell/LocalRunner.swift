import Dispatch
import Foundation
import Glibc
import Logging
import Support

/// Runs commands on this machine, as the user that the program runs as.
///
/// A command gets what sshd would give it: a session of its own in the user's home, a small environment, no other
/// descriptors, no signals blocked or ignored. It has ended when its process has ended; output that something it left
/// behind still holds open is waited for for a second. When the time is up, or the calling task cancelled, its process
/// group is ended.
///
/// Written on posix_spawn(3), not on swift-subprocess: the child of that one changes signal handlers between clone and
/// exec, where it sometimes hangs with every descriptor it has inherited (as was reported to its makers),
/// and it has no bound for how long output may stay open.
public struct LocalRunner: Runner {
  /// The account that commands run as.
  public static let account = String(cString: getpwuid(geteuid())?.pointee.pw_name ?? strdup("\(geteuid())"))

  private let home: String
  private let environment: [String: String]
  private let logger: Logger
  private let readiness: Readiness

  /// - Parameters:
  ///   - home: where commands start, and what paths of files are relative to; their HOME.
  ///   - environment: variables for commands, beside those that sshd would set.
  public init(
    home: String = NSHomeDirectory(), environment: [String: String] = [:], logger: Logger
  ) throws(RunError) {
    guard let readiness = Readiness() else {
      throw .unavailable("commands on this machine cannot be watched: there are no file descriptors left")
    }
    // Who writes to a command that has gone is to get an error.
    signal(SIGPIPE, SIG_IGN)
    self.home = home
    self.logger = logger
    self.readiness = readiness
    self.environment = Self.environment(home: home).merging(environment) { $1 }
  }

  /// Nothing of ours that is not named here: it has keys and passwords.
  private static func environment(home: String) -> [String: String] {
    let ours = ProcessInfo.processInfo.environment
    var variables = ["HOME": home, "USER": account, "LOGNAME": account, "SHELL": "/bin/sh"]
    variables["PATH"] = ours["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    for name in ["LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"] { variables[name] = ours[name] }
    return variables
  }

  public var statusLines: [String] { [] }

  // MARK: Commands

  public func run(
    _ command: Command, as account: String, stdin: [UInt8] = [], limits: OutputLimits = .init(), timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult {
    let kept = KeptBytes(limit: limits.stdout)
    do {
      let result = try await perform(
        command, as: account, input: .bytes(stdin), limit: limits.stderr, timeout: timeout, purpose: purpose
      ) { kept.append($0) }
      let stdout = kept.value
      return CommandResult(
        exitStatus: result.exitStatus, signal: result.signal, stdout: stdout.bytes, stderr: result.stderr,
        stdoutTruncated: stdout.truncated)
    } catch {
      throw error as? RunError ?? .interrupted("\(error)")
    }
  }

  public func stream(
    _ command: Command, as account: String, input: CommandInput = .bytes([]), timeout: Duration? = nil,
    purpose: CommandPurpose = .action, onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    try await perform(
      command, as: account, input: input, limit: OutputLimits().stderr, timeout: timeout, purpose: purpose, onOutput)
  }

  private func perform(
    _ command: Command, as account: String, input: CommandInput, limit: Int, timeout: Duration?,
    purpose: CommandPurpose, _ onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    try check(account)
    let record = CommandRecord(logger: logger, host: "localhost", account: account, purpose: purpose)
    let deadline = timeout.map(ContinuousClock.Instant.after)
    let child = try await start(command, input)
    do {
      let result = try await LocalProcess.run(
        child, readiness, input: input, limit: limit, by: deadline, onOutput)
      record.log(command, result)
      return result
    } catch {
      record.log(command, exit: "\(error)")
      throw error
    }
  }

  private func start(_ command: Command, _ input: CommandInput) async throws(RunError) -> Child {
    let hasInput = if case .bytes(let bytes) = input { !bytes.isEmpty } else { true }
    let started: Result<Child, Child.Failure> = await withCheckedContinuation { continuation in
      readiness.executor.queue.async { @Sendable in
        continuation.resume(
          returning: Result { () throws(Child.Failure) in
            try Child(command.script, directory: home, environment: environment, hasInput: hasInput)
          })
      }
    }
    do {
      return try started.get()
    } catch {
      throw .unavailable("a command on this machine could not be started in \(home): \(error.reason)")
    }
  }

  private func check(_ account: String) throws(RunError) {
    guard account == Self.account else {
      throw .unavailable("commands on this machine run as \(Self.account), not as \(account)")
    }
  }

  // MARK: Files

  public func upload(
    from chunks: @escaping @Sendable () async throws -> [UInt8]?, to path: String, mode: Int32, as account: String,
    timeout: Duration? = nil
  ) async throws {
    try check(account)
    let file = LocalFile(path: absolute(path))
    do {
      try await within(timeout) {
        try await file.create()
        while let bytes = try await chunks() { try await file.write(bytes) }
        try await file.finish(mode: mode)
      }
    } catch {
      await file.remove()
      throw error
    }
  }

  public func download(
    _ path: String, as account: String, timeout: Duration? = nil,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    try check(account)
    let file = LocalFile(path: absolute(path))
    try await within(timeout) {
      try await file.openToRead()
      while case let bytes = try await file.read(), !bytes.isEmpty { try await onOutput(bytes) }
    }
  }

  private func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(home)/\(path)" }

  private func within(_ timeout: Duration?, _ body: @escaping @Sendable () async throws -> Void) async throws {
    let deadline = timeout.map(ContinuousClock.Instant.after)
    let overdue = RunError.interrupted("reading or writing a file on this machine timed out")
    do {
      let done: Bool? = try await firstResult(of: [
        {
          try await body()
          return true
        },
        {
          guard let deadline else { return nil }
          try await Task.sleep(until: deadline, clock: .continuous)
          throw overdue
        },
      ])
      guard done == true else { throw overdue }
    } catch {
      throw Task.isCancelled ? overdue : error
    }
  }
}

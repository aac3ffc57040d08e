import Foundation
import Logging
import SSH

/// Runs commands on one host over SSH, each account with its own key.
///
/// Commands that must end soon go to shells that are kept for them: they must leave nothing behind that writes to their
/// output. One that may take longer than ``SSHRunner/patience`` gets a channel of its own.
public struct SSHRunner: Runner {
  /// The longest timeout of a command that is run in a kept shell.
  static let patience: Duration = .seconds(30)

  private let pool: ConnectionPool
  private let host: String
  private let port: Int
  private let keys: @Sendable (String) -> PrivateKey?

  /// - Parameter keys: the key for an account, or nil if there is none.
  public init(pool: ConnectionPool, host: String, port: Int, keys: @escaping @Sendable (String) -> PrivateKey?) {
    self.pool = pool
    self.host = host
    self.port = port
    self.keys = keys
  }

  public func run(
    _ command: Command, as account: String, stdin: [UInt8] = [], limits: OutputLimits = .init(), timeout: Duration
  ) async throws(RunError) -> CommandResult {
    try await run(command, as: account, stdin: stdin, limits: limits, timeout: timeout, purpose: .action)
  }

  public func run(
    _ command: Command, as account: String, stdin: [UInt8] = [], limits: OutputLimits = .init(), timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult {
    guard let key = keys(account) else { throw .noKey(account: account) }
    let start = ContinuousClock.now
    do {
      let destination = Destination(host: host, port: port, user: account)
      let output = try await pool.run(
        command.text, script: timeout <= Self.patience ? command.script : nil, on: destination, key: key, stdin: stdin,
        limits: limits, timeout: timeout)
      let exit = output.exitSignal.map { "signal \($0)" } ?? "\(output.exitStatus ?? -1)"
      log(command, purpose, account, exit: exit, since: start)
      return CommandResult(
        exitStatus: output.exitStatus ?? -1, signal: output.exitSignal, stdout: output.stdout, stderr: output.stderr,
        stdoutTruncated: output.stdoutTruncated)
    } catch {
      // What was not sent is no command of anybody's.
      if error.mayHaveRun { log(command, purpose, account, exit: error.description, since: start) }
      throw error.mayHaveRun ? .interrupted(error.description) : .unavailable(error.description)
    }
  }

  /// One line per command that was sent, without what it was given on standard input and in its environment.
  private func log(
    _ command: Command, _ purpose: CommandPurpose, _ account: String, exit: String, since start: ContinuousClock.Instant
  ) {
    pool.logger.log(
      level: purpose == .action ? .info : .debug, "command",
      metadata: [
        "host": "\(host)", "user": "\(account)", "command": "\(command.summary)", "exit": "\(LogText.line(exit))",
        "ms": .stringConvertible(Int((ContinuousClock.now - start) / .milliseconds(1))),
      ])
  }

  public var statusLines: [String] {
    var lines: [String] = []
    for status in pool.status() where status.destination.host == host && status.destination.port == port {
      // A key that is no longer used says nothing any more, nor how the last attempt went once the next may be made.
      guard let line = status.lastError, keys(status.destination.user)?.fingerprint == status.fingerprint,
        status.needsAttention || status.nextAttempt.map({ $0 >= Date() }) ?? true, !lines.contains(line)
      else { continue }
      lines.append(line)
    }
    return lines
  }
}

import Foundation
import Logging
import Shell
import Support

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
  private let via: JumpHost?
  private let keys: @Sendable (String) -> PrivateKey?

  /// - Parameters:
  ///   - via: the host by way of which this one is reached, if not directly.
  ///   - keys: the key for an account, or nil if there is none.
  public init(
    pool: ConnectionPool, host: String, port: Int, via: JumpHost? = nil,
    keys: @escaping @Sendable (String) -> PrivateKey?
  ) {
    self.pool = pool
    self.host = host
    self.port = port
    self.via = via
    self.keys = keys
  }

  public func run(
    _ command: Command, as account: String, stdin: [UInt8] = [], limits: OutputLimits = .init(), timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult {
    let key = try key(of: account)
    let record = CommandRecord(logger: pool.logger, host: host, account: account, purpose: purpose)
    do {
      let output = try await pool.run(
        command.script, inKeptShell: timeout <= Self.patience, on: destination(account), key: key,
        stdin: stdin, limits: limits, timeout: timeout)
      let result = CommandResult(output)
      record.log(command, result)
      return result
    } catch {
      // A command that was not sent is not recorded.
      if error.mayHaveRun { record.log(command, exit: error.description) }
      throw RunError(error)
    }
  }

  public func stream(
    _ command: Command, as account: String, input: CommandInput = .bytes([]), timeout: Duration? = nil,
    purpose: CommandPurpose = .action, onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    let key = try key(of: account)
    let record = CommandRecord(logger: pool.logger, host: host, account: account, purpose: purpose)
    do {
      let output = try await pool.stream(
        command.script, on: destination(account), key: key, input: input, timeout: timeout, onOutput: onOutput)
      let result = CommandResult(output)
      record.log(command, result)
      return result
    } catch {
      let error = Self.translated(error)
      if (error as? RunError)?.mayHaveRun ?? true { record.log(command, exit: "\(error)") }
      throw error
    }
  }

  public func upload(
    from chunks: @escaping @Sendable () async throws -> [UInt8]?, to path: String, mode: Int32, as account: String,
    timeout: Duration? = nil
  ) async throws {
    let key = try key(of: account)
    do {
      try await pool.upload(
        from: chunks, to: path, mode: mode, on: destination(account), key: key, timeout: timeout)
    } catch { throw Self.translated(error) }
  }

  public func download(
    _ path: String, as account: String, timeout: Duration? = nil,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let key = try key(of: account)
    do {
      try await pool.download(path, on: destination(account), key: key, timeout: timeout, onOutput: onOutput)
    } catch { throw Self.translated(error) }
  }

  private func key(of account: String) throws(RunError) -> PrivateKey {
    guard let key = keys(account) else { throw .noKey(account: account) }
    return key
  }

  private func destination(_ account: String) -> Destination {
    Destination(host: host, port: port, user: account, via: via)
  }

  /// What a closure has thrown stays as it is.
  private static func translated(_ error: any Error) -> any Error { (error as? SSHError).map(RunError.init) ?? error }

  public var statusLines: [String] {
    var lines: [String] = []
    for status in pool.status() where status.destination == destination(status.destination.user) {
      // A key that is no longer used says nothing any more, nor how the last attempt went once the next may be made.
      guard let line = status.lastError, keys(status.destination.user)?.fingerprint == status.fingerprint,
        status.needsAttention || status.nextAttempt.map({ $0 >= Date() }) ?? true, !lines.contains(line)
      else { continue }
      lines.append(line)
    }
    return lines
  }
}

extension CommandResult {
  init(_ output: CommandOutput) {
    self.init(
      exitStatus: output.exitStatus ?? -1, signal: output.exitSignal, stdout: output.stdout, stderr: output.stderr,
      stdoutTruncated: output.stdoutTruncated)
  }
}

extension RunError {
  init(_ error: SSHError) {
    switch error {
    case .sftp: self = .file(error.description)
    case .loginRefused(let destination, _):
      self = .loginRefused(account: destination.user, reason: error.description)
    default: self = error.mayHaveRun ? .interrupted(error.description) : .unavailable(error.description)
    }
  }
}

import Foundation
import SSH

/// Runs commands on one host over SSH, each account with its own key.
public struct SSHRunner: Runner {
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
    guard let key = keys(account) else { throw .noKey(account: account) }
    do {
      let destination = Destination(host: host, port: port, user: account)
      let output = try await pool.run(
        command.text, on: destination, key: key, stdin: stdin, limits: limits, timeout: timeout)
      return CommandResult(
        exitStatus: output.exitStatus ?? -1, signal: output.exitSignal, stdout: output.stdout, stderr: output.stderr,
        stdoutTruncated: output.stdoutTruncated)
    } catch {
      throw error.mayHaveRun ? .interrupted(error.description) : .unavailable(error.description)
    }
  }

  public var statusLines: [String] {
    pool.status().compactMap { status in
      guard status.destination.host == host, status.destination.port == port else { return nil }
      // Once a new attempt may be made, how the last one went says nothing any more.
      if let next = status.nextAttempt, next < Date() { return nil }
      return status.lastError
    }
  }
}

/// What a command left behind when it ended.
public struct CommandOutput: Sendable {
  /// The exit status, or nil if a signal ended the command.
  public let exitStatus: Int32?
  /// The name of the signal that ended the command, without SIG: `KILL`, `TERM` (RFC 4254, section 6.10).
  public let exitSignal: String?
  public let stdout: [UInt8]
  public let stderr: [UInt8]
  /// Whether there was more on standard output than ``OutputLimits/stdout``.
  public let stdoutTruncated: Bool
  /// Whether there was more on standard error than ``OutputLimits/stderr``.
  public let stderrTruncated: Bool
}

/// How many bytes of a command's output are kept.
///
/// What comes past a limit is read and dropped, so that the command can end, and the output says that it was cut. A
/// command that goes on for long after that is interrupted: a server that sends without end keeps no core busy.
public struct OutputLimits: Sendable {
  /// The most bytes past the limits that are read.
  static let dropped = 64 << 20

  /// Bytes of standard output.
  public var stdout: Int
  /// Bytes of standard error.
  public var stderr: Int

  public init(stdout: Int = 16 << 20, stderr: Int = 64 << 10) {
    self.stdout = stdout
    self.stderr = stderr
  }
}

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

/// Bytes up to a limit; what comes after is counted as cut and forgotten.
package struct LimitedBytes: Sendable {
  package private(set) var bytes: [UInt8] = []
  package private(set) var truncated = false
  /// How many bytes were forgotten.
  private(set) var dropped = 0
  let limit: Int

  package init(limit: Int) { self.limit = max(0, limit) }

  package mutating func append(_ chunk: UnsafeRawBufferPointer) {
    let room = limit - bytes.count
    if chunk.count > room {
      truncated = true
      dropped += chunk.count - room
    }
    bytes.append(contentsOf: chunk.prefix(room))
  }
}

/// How many bytes of a command's output are kept.
///
/// What comes past a limit is read and dropped, so that the command can end, and the output says that it was cut. A
/// command that goes on for long after that is interrupted: a server that sends without end keeps no core busy.
public struct OutputLimits: Sendable {
  /// The most bytes past the limits that are read.
  package static let dropped = 64 << 20

  /// Bytes of standard output.
  public var stdout: Int
  /// Bytes of standard error.
  public var stderr: Int

  public init(stdout: Int = 16 << 20, stderr: Int = 64 << 10) {
    self.stdout = stdout
    self.stderr = stderr
  }
}

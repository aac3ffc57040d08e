/// What a streamed command has for its standard input.
public enum CommandInput: Sendable {
  /// These bytes, then end of file.
  case bytes([UInt8])
  /// What the closure gives, until it gives nil for end of file. It is asked for more when the last bytes are on their
  /// way. It must end when its task is cancelled, which happens when the command ends before.
  case chunks(@Sendable () async throws -> [UInt8]?)
  /// Nothing, and no end of file until the call has ended.
  case open
}

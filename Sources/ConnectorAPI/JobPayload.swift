import JobModel

/// What a job is to be run by, and the mark that it is to carry.
public struct JobPayload: Sendable {
  public let submission: JobSpec
  public let mark: String

  public init(_ submission: JobSpec, mark: String) {
    self.submission = submission
    self.mark = mark
  }
}

/// Reads the archive that a job was submitted with, piece by piece.
public protocol InputArchive: Sendable {
  /// The next bytes; nil at the end.
  func next() async throws(PayloadError) -> [UInt8]?
}

/// Why the payload of a job, or its archive, is unavailable.
public enum PayloadError: Error, Sendable, CustomStringConvertible {
  /// It is gone, or cannot be decrypted: trying again does not help.
  case lost(String)
  /// It cannot be read right now.
  case unreadable(String)

  public var description: String {
    switch self {
    case .lost(let reason), .unreadable(let reason): reason
    }
  }
}

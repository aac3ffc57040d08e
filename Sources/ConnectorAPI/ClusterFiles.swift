/// A file that a job has made.
public struct JobFile: Sendable, Equatable {
  /// Below the job's directory; bytes, since a file name need not be UTF-8.
  public let path: [UInt8]
  /// Bytes.
  public let size: Int
  /// Seconds since 1970.
  public let modified: Int

  public init(path: [UInt8], size: Int, modified: Int) {
    self.path = path
    self.size = size
    self.modified = modified
  }
}

/// A directory or a file of the cluster.
public struct DirectoryEntry: Sendable, Equatable {
  public enum Kind: Sendable { case directory, file }
  public let kind: Kind
  /// Absolute; bytes, since a file name need not be UTF-8.
  public let path: [UInt8]
  /// Seconds since 1970.
  public let modified: Int
  /// Bytes.
  public let size: Int

  public init(kind: Kind, path: [UInt8], modified: Int, size: Int) {
    self.kind = kind
    self.path = path
    self.modified = modified
    self.size = size
  }
}

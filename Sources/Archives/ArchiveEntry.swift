/// What an archive says of one file, before its contents.
public struct ArchiveEntry: Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    case file, directory
    /// Points to ``ArchiveEntry/target``: a symbolic link to a path as seen from its directory, a hard link to another
    /// entry's path.
    case symbolicLink, hardLink
  }

  public var kind: Kind
  /// As it is written in the archive. Bytes, since a file name need not be UTF-8.
  public var path: [UInt8]
  /// What a link leads to; empty for others.
  public var target: [UInt8] = []
  /// Bytes of contents.
  public var size = 0
  /// Seconds since 1970.
  public var modified = 0
  /// Permission bits.
  public var mode = 0

  public init(_ kind: Kind, path: [UInt8], target: [UInt8] = [], size: Int = 0, modified: Int = 0, mode: Int = 0) {
    self.kind = kind
    self.path = path
    self.target = target
    self.size = size
    self.modified = modified
    self.mode = mode
  }
}

/// Whether a tar.gz can be unpacked into an empty directory by any tar without anything being written, or made to lead,
/// outside it.
public final class ArchiveChecker {
  private let reader: ArchiveReader
  private var tree: ArchiveTree

  public init(limits: ArchiveLimits = .init()) throws(ArchiveFault) {
    reader = try ArchiveReader(limits: limits)
    tree = ArchiveTree(limit: limits.entries)
  }

  /// Takes the next bytes of the archive; throws as soon as it is known that it cannot be taken.
  public func read(_ bytes: [UInt8]) throws(ArchiveFault) {
    try reader.read(bytes) { entry throws(ArchiveFault) in try tree.add(entry) }
  }

  /// Tells it that there are no more bytes.
  /// - Parameter entryPoint: a file that must be there.
  public func finish(entryPoint: String? = nil) throws(ArchiveFault) -> ArchiveSummary {
    try reader.finish()
    if let entryPoint {
      guard let isFile = try tree.isFile(Array(entryPoint.utf8)) else { throw .noEntryPoint(entryPoint) }
      guard isFile else { throw .entryPointIsNoFile(entryPoint) }
    }
    return ArchiveSummary(entries: reader.entries, contents: reader.contents, needsPax: reader.needsPax)
  }
}

/// What an archive holds, in all.
public struct ArchiveSummary: Sendable, Equatable, Codable {
  public let entries: Int
  /// Bytes of the files in it.
  public let contents: Int
  /// Whether only a tar that reads pax unpacks it as it is meant; BusyBox's does not.
  public let needsPax: Bool
}

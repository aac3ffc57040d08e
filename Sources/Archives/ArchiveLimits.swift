/// How much an archive may hold. The standards are far above what people send with a job, and far below what fills a
/// server's disk by a few megabytes that were made for it.
public struct ArchiveLimits: Sendable, Equatable {
  /// Bytes of the tar that comes out of the gzip, and of the files in it.
  public var unpacked = 100 << 30
  /// Entries, and directories that are only named by what is in them.
  public var entries = 1_000_000
  /// How many bytes may come out of each byte. Sources and tables give 3 to 20; deflate gives 1032 at most (zlib's
  /// technical details), for zeros.
  public var ratio = 250
  /// Bytes that may come out whatever the ratio is.
  public var ratioBegins = 64 << 20

  public init() {}

  /// Linux's PATH_MAX without the end, and NAME_MAX: longer names cannot be made.
  static let longestPath = 4095
  static let longestName = 255
  /// Bytes of an extended header. They are held in memory.
  static let longestExtension = 1 << 20
}

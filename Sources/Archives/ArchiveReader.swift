/// Walks the entries of a tar.gz while it is received, without unpacking it, in constant memory.
///
/// ```swift
/// let reader = try ArchiveReader()
/// while let bytes = try await body.next() { try reader.read(bytes) { entry in print(entry.size) } }
/// try reader.finish()
/// ```
public final class ArchiveReader {
  public let limits: ArchiveLimits
  /// Entries so far.
  public private(set) var entries = 0
  /// Bytes of contents that the entries so far say to have.
  public private(set) var contents = 0
  private var taken = 0
  private var unpacked = 0
  private let gunzip: Gunzip
  private var tar = TarReader()

  public init(limits: ArchiveLimits = .init()) throws(ArchiveFault) {
    self.limits = limits
    gunzip = try Gunzip()
  }

  /// Whether a tar that does not read pax (BusyBox's) would take some entry for another.
  public var needsPax: Bool { tar.needsPax }

  /// Takes the next bytes of the archive.
  /// - Parameter onEntry: gets each entry as soon as its header was read.
  public func read(
    _ bytes: [UInt8], onEntry: (ArchiveEntry) throws(ArchiveFault) -> Void
  ) throws(ArchiveFault) {
    try bytes.withUnsafeBufferPointer { bytes throws(ArchiveFault) in
      taken += bytes.count
      try gunzip.take(UnsafeRawBufferPointer(bytes)) { output throws(ArchiveFault) in
        unpacked += output.count
        guard unpacked <= limits.ratioBegins || unpacked / limits.ratio <= taken else {
          throw .tooCompressed(limit: limits.ratio)
        }
        guard unpacked <= limits.unpacked else { throw tooLarge(tar.last) }
        try tar.take(output) { entry throws(ArchiveFault) in
          try count(entry)
          try onEntry(entry)
        }
      }
    }
  }

  /// Tells it that there are no more bytes.
  public func finish() throws(ArchiveFault) {
    guard gunzip.isComplete else {
      throw taken == 0 ? .notGzip : .truncated(after: ArchiveFault.shown(tar.last))
    }
    try tar.finish()
  }

  private func count(_ entry: ArchiveEntry) throws(ArchiveFault) {
    entries += 1
    guard entries <= limits.entries else { throw .tooManyEntries(limit: limits.entries) }
    // What an entry says to have is not there yet: two of them may be more than a number holds.
    let (sum, isTooMuch) = contents.addingReportingOverflow(entry.size)
    guard !isTooMuch, sum <= limits.unpacked else { throw tooLarge(entry.path) }
    contents = sum
  }

  private func tooLarge(_ path: [UInt8]) -> ArchiveFault {
    .tooLarge(limit: limits.unpacked, entry: ArchiveFault.shown(path))
  }
}

import Support

/// Why an archive is not taken. Names are shown as text of one line.
public enum ArchiveFault: Error, Sendable, Equatable, CustomStringConvertible {
  /// It does not begin as a gzip file does.
  case notGzip
  /// The gzip data are damaged: what zlib says.
  case damaged(String)
  /// It ends too early; the last entry there was.
  case truncated(after: String)
  /// Something follows that belongs to no entry.
  case trailingBytes
  /// A header whose sum is another than it says; the entry before it.
  case checksum(after: String)
  /// A header that cannot be read, or could be read in two ways.
  case malformed(String, entry: String)
  /// Of a kind that is not taken, a device for example.
  case unsupported(String, entry: String)
  case absolutePath(entry: String)
  /// `..` in the path.
  case climbs(entry: String)
  case holdsNUL(entry: String)
  /// No file system could hold the name.
  case tooLong(entry: String)
  /// The target of a link is not in the archive, whatever else there is.
  case leadsOut(entry: String, target: String)
  /// The target of a hard link is behind a symbolic link, or is one.
  case leadsThrough(entry: String, target: String)
  /// The target of a hard link is not an earlier file.
  case leadsNowhere(entry: String, target: String)
  /// The entry would be written to where a symbolic link leads.
  case writesThrough(entry: String)
  /// The entry is at a place where something of another kind is.
  case conflicts(entry: String)
  case tooManyEntries(limit: Int)
  /// More comes out than may; the entry with which it does.
  case tooLarge(limit: Int, entry: String)
  /// More comes out of each byte than may.
  case tooCompressed(limit: Int)
  /// The file to be run is not there.
  case noEntryPoint(String)
  /// The entry point is not a file.
  case entryPointIsNoFile(String)

  public var description: String {
    switch self {
    case .notGzip: "the archive is not a gzip file: expected a tar.gz"
    case .damaged(let words): "the archive is damaged: \(words)"
    case .truncated(let entry): "the archive is truncated after \(entry)"
    case .trailingBytes: "the archive has data after its end"
    case .checksum(let entry):
      "the archive is not a tar file or is damaged: the header after \(entry) has a wrong checksum"
    case .malformed(let fault, let entry): "\(entry): its header cannot be read: \(fault)"
    case .unsupported(let kind, let entry): "\(entry) is \(kind): only files, directories and links are allowed"
    case .absolutePath(let entry): "\(entry) has an absolute path"
    case .climbs(let entry): "\(entry) has .. in its path"
    case .holdsNUL(let entry): "\(entry) has a NUL byte in its name"
    case .tooLong(let entry): "\(entry) has a name that is too long"
    case .leadsOut(let entry, let target): "the link \(entry) points, or could point, outside the archive: \(target)"
    case .leadsThrough(let entry, let target): "the hard link \(entry) points through a symbolic link: \(target)"
    case .leadsNowhere(let entry, let target): "the hard link \(entry) does not point to an earlier file: \(target)"
    case .writesThrough(let entry): "\(entry) would be written through a symbolic link"
    case .conflicts(let entry): "\(entry) has the path of another entry"
    case .tooManyEntries(let limit): "the archive has more than \(limit) entries"
    case .tooLarge(let limit, let entry): "the archive unpacks to more than \(limit) bytes, reached at \(entry)"
    case .tooCompressed(let limit): "the archive unpacks to more than \(limit) times its size"
    case .noEntryPoint(let path): "the entry point \(path) is not in the archive"
    case .entryPointIsNoFile(let path): "the entry point \(path) is not a file"
    }
  }

  /// A name as text for people: in quotes, one line, not too long.
  static func shown(_ name: [UInt8]) -> String {
    guard !name.isEmpty else { return "the beginning" }
    return "'" + String(decoding: name.prefix(200), as: UTF8.self).visible() + (name.count > 200 ? "…'" : "'")
  }
}

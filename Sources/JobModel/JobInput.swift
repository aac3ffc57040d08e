/// The archive that a job was submitted with, as it was checked: a tar.gz, which is unpacked before the job starts.
public struct JobInput: Sendable, Equatable, Codable {
  /// SHA-256 of the archive, as 64 lower-case hexadecimal digits.
  public let sha256: String
  /// Bytes of the archive.
  public let size: Int
  /// Bytes of the files in it.
  public let contents: Int
  public let entries: Int
  /// Whether only a tar that reads pax unpacks it as it is meant.
  public let needsPax: Bool

  public init(sha256: String, size: Int, contents: Int, entries: Int, needsPax: Bool) {
    self.sha256 = sha256
    self.size = size
    self.contents = contents
    self.entries = entries
    self.needsPax = needsPax
  }
}

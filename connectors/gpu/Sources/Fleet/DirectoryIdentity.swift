import Foundation

/// What tells a directory from a copy of it: its inode, and the device of its file system, the number of which is the
/// same until the machine is rebooted.
struct DirectoryIdentity: Sendable, Equatable, CustomStringConvertible {
  let inode: UInt64
  let device: UInt64
  let boot: String

  /// `<inode> <device> <boot>`
  var description: String { "\(inode) \(device) \(boot)" }

  init(inode: UInt64, device: UInt64, boot: String) {
    (self.inode, self.device, self.boot) = (inode, device, boot)
  }

  /// - Throws: when the directory cannot be examined.
  init(of directory: String) throws {
    let path = URL(fileURLWithPath: directory).resolvingSymlinksInPath().path
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    func number(_ key: FileAttributeKey) -> UInt64 { (attributes[key] as? NSNumber)?.uint64Value ?? 0 }
    self.init(inode: number(.systemFileNumber), device: number(.systemNumber), boot: Self.presentBoot)
  }

  /// The words of a description; nil for other words.
  init?(_ words: some Collection<String>) {
    let words = Array(words)
    guard words.count == 3, let inode = UInt64(words[0]), let device = UInt64(words[1]) else { return nil }
    self.init(inode: inode, device: device, boot: words[2])
  }

  /// Whether both are of one directory, which may have been moved within its file system.
  func isSame(as other: Self) -> Bool {
    inode == other.inode && (boot != other.boot || device == other.device)
  }

  static var presentBoot: String {
    let bytes = FileManager.default.contents(atPath: "/proc/sys/kernel/random/boot_id") ?? Data()
    return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

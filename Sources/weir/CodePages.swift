import Foundation

/// The pages of program code that are resident in memory.
enum CodePages {
  /// Takes the code's pages out of this process's memory; those that are needed again come back from the page cache, one fault
  /// each.
  ///
  /// Starting touches a good 20 MB of code that serving never does: the settings' and users' parsing, migrations, ICU's tables.
  /// Code is mapped privately and never written (no text relocations), so nothing is lost (madvise(2), MADV_DONTNEED).
  static func release() {
    guard let maps = FileManager.default.contents(atPath: "/proc/self/maps") else { return }
    for line in String(decoding: maps, as: UTF8.self).split(separator: "\n") {
      // proc(5): address range, permissions, offset, device, inode, path.
      let fields = line.split(separator: " ")
      guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { continue }
      let bounds = fields[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
      guard bounds.count == 2, bounds[0] < bounds[1] else { continue }
      madvise(UnsafeMutableRawPointer(bitPattern: bounds[0]), Int(bounds[1] - bounds[0]), MADV_DONTNEED)
    }
  }
}

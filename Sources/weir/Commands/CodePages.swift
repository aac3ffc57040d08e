import Foundation

/// The pages of program code that are resident in memory.
enum CodePages {
  /// Takes the pages of program and libraries that hold nothing of our own out of this process's memory; those that are
  /// needed again come back from the page cache, one fault each.
  ///
  /// Starting touches a good 20 MB of them that serving never does: the settings' and users' parsing, migrations, ICU's tables,
  /// the linking of libraries. A mapping that cannot be written and has no anonymous page is as it is in its file, so that
  /// nothing is lost (madvise(2), MADV_DONTNEED).
  static func release() {
    var bounds: [UInt] = []
    for line in String(decoding: contents(of: "/proc/self/smaps"), as: UTF8.self).split(separator: "\n") {
      let fields = line.split(separator: " ")
      // proc(5): address range, permissions, offset, device, inode, path; then a line for each figure.
      if fields.count >= 5, fields[0].contains("-") {
        let isFile = fields.count >= 6 && fields[5].hasPrefix("/") && !fields[1].contains("w")
        bounds = isFile ? fields[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) } : []
      } else if fields.first == "Anonymous:", fields.dropFirst().first == "0", bounds.count == 2, bounds[0] < bounds[1]
      {
        madvise(UnsafeMutableRawPointer(bitPattern: bounds[0]), Int(bounds[1] - bounds[0]), MADV_DONTNEED)
      }
    }
  }

  /// The kernel hands such a file out some kilobytes at a time, which Foundation takes for its end.
  private static func contents(of path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { _ = close(descriptor) }
    var contents: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { return contents }
      contents += buffer[..<count]
    }
  }
}

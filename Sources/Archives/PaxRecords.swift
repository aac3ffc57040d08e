/// What an extended header says of the entry after it (POSIX.1-2017, pax, "pax Extended Header").
struct PaxRecords {
  var path: [UInt8]?
  var link: [UInt8]?
  var size: Int?
  var modified: Int?

  /// Keys that make of the entry something else than its header shows: GNU's sparse files have another name, for example.
  private static let unreadable = ["GNU.", "SCHILY.realsize", "SCHILY.filetype", "SUN.devm"]

  /// - Parameter entry: what is being read, for errors.
  init(_ bytes: [UInt8], entry: [UInt8]) throws(ArchiveFault) {
    let shown = ArchiveFault.shown(entry)
    var rest = bytes[...]
    while !rest.isEmpty {
      // `<length> <key>=<value>\n`, the length being that of all of it.
      let digits = rest.prefix { $0 != 0x20 }
      guard (1...7).contains(digits.count), digits.first != 0x30, digits.allSatisfy({ (0x30...0x39).contains($0) })
      else {
        throw .malformed("an extended record has no length", entry: shown)
      }
      let length = digits.reduce(0) { $0 * 10 + Int($1 & 15) }
      let record = rest.prefix(length)
      guard record.count == length, length > digits.count + 1, record.last == 0x0a,
        let equals = record.firstIndex(of: 0x3d)
      else { throw .malformed("an extended record has a wrong length", entry: shown) }
      let key = String(decoding: record[(digits.endIndex + 1)..<equals], as: UTF8.self)
      let value = Array(record[(equals + 1)..<(record.endIndex - 1)])
      switch key {
      case "path": path = value
      case "linkpath": link = value
      case "size":
        guard let number = Int(String(decoding: value, as: UTF8.self)), number >= 0, value.first != 0x2b else {
          throw .malformed("its size is not a number", entry: shown)
        }
        size = number
      case "mtime":
        guard let time = Double(String(decoding: value, as: UTF8.self)), abs(time) < 1e15 else {
          throw .malformed("its time is not a number", entry: shown)
        }
        modified = Int(time.rounded(.down))
      default:
        if Self.unreadable.contains(where: key.hasPrefix) {
          throw .unsupported(
            "written in a form that not every tar can read (\(ArchiveFault.shown(Array(key.utf8))))", entry: shown)
        }
      }
      rest = rest.dropFirst(length)
    }
  }

  /// Whether a tar that knows nothing of these takes the entry for another.
  var isEssential: Bool { path != nil || link != nil || size != nil }
}

/// An archive that comes with a job. The first byte says what the others are: a gzip file, a tar whose sums are made right
/// before it is read, or lines that each stand for an entry: type, name, tab, and what a link leads to or an extended header
/// says.
func archiveProperty(_ input: UnsafeRawBufferPointer) {
  guard let kind = input.first else { return }
  let bytes = Array(input.dropFirst())
  switch kind {
  case UInt8(ascii: "g"): gzipProperty(bytes)
  case UInt8(ascii: "t"): tarProperty(summed(bytes))
  default: tarProperty(described(bytes))
  }
}

private func gzipProperty(_ bytes: [UInt8]) {
  var limits = ArchiveLimits()
  limits.ratioBegins = 1 << 20
  limits.entries = 100
  guard let checker = try? ArchiveChecker(limits: limits), let other = try? ArchiveChecker(limits: limits) else {
    return
  }
  let whole = Result { () throws(ArchiveFault) in
    try checker.read(bytes)
    return try checker.finish()
  }
  let cut = Result { () throws(ArchiveFault) in
    for byte in bytes { try other.read([byte]) }
    return try other.finish()
  }
  claim((try? whole.get()) == (try? cut.get()), "in pieces something else comes of it")
}

/// Every entry that is taken stays inside, and what comes of a tar does not depend on its cuts.
private func tarProperty(_ bytes: [UInt8]) {
  let (entries, isComplete) = outcome(of: bytes, cut: bytes.count)
  for cut in [1, 511, 700] {
    let other = outcome(of: bytes, cut: cut)
    claim(other.entries == entries && other.isComplete == isComplete, "in pieces something else comes of it")
  }
  // The places of links, by their names put together in the plainest way.
  var links: Set<String> = []
  for entry in entries {
    claim(!entry.path.contains(0) && !entry.target.contains(0), "a name with a NUL")
    claim(entry.path.first != UInt8(ascii: "/"), "an absolute path")
    let names = parts(entry.path)
    claim(!names.contains(".."), "a path that climbs")
    for end in 1..<max(1, names.count) {
      claim(!links.contains(names[..<end].joined(separator: "/")), "an entry through a link")
    }
    let place = names.joined(separator: "/")
    if entry.kind != .symbolicLink { claim(!links.contains(place), "an entry in the place of a link") }
    guard entry.kind == .symbolicLink || entry.kind == .hardLink else { continue }
    claim(entry.target.first != UInt8(ascii: "/"), "an absolute link")
    // Whatever lies on the way, no more is climbed than there is above the link.
    let climbs = parts(entry.target).filter { $0 == ".." }.count
    claim(climbs <= (entry.kind == .hardLink ? 0 : names.count - 1), "a link that leads out")
    if entry.kind == .symbolicLink {
      links.insert(place)
    } else {
      claim(!links.contains(parts(entry.target).joined(separator: "/")), "a hard link to a link")
    }
  }
}

private func parts(_ path: [UInt8]) -> [String] {
  // One character for each byte, so that no two names are the same text.
  path.split(separator: UInt8(ascii: "/")).map { name in
    name.map { String(UnicodeScalar($0)) }.joined()
  }.filter { $0 != "." }
}

private func outcome(of bytes: [UInt8], cut: Int) -> (entries: [ArchiveEntry], isComplete: Bool) {
  var (reader, tree) = (TarReader(), ArchiveTree(limit: 1000))
  var entries: [ArchiveEntry] = []
  var start = 0
  do throws(ArchiveFault) {
    while start < bytes.count {
      try bytes[start..<min(bytes.count, start + cut)].withUnsafeBufferPointer { piece throws(ArchiveFault) in
        try reader.take(UnsafeRawBufferPointer(piece)) { entry throws(ArchiveFault) in
          try tree.add(entry)
          entries.append(entry)
        }
      }
      start += cut
    }
    try reader.finish()
    return (entries, true)
  } catch {
    claim(error.description.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "a sentence with odd characters")
    return (entries, false)
  }
}

/// The same with the sum of every block right that could be a header.
private func summed(_ bytes: [UInt8]) -> [UInt8] {
  var tar = bytes
  var start = 0
  while start + 512 <= tar.count {
    if tar[start..<start + 512].contains(where: { $0 != 0 }) { setSum(&tar, at: start) }
    start += 512
  }
  return tar
}

private func setSum(_ tar: inout [UInt8], at start: Int) {
  for index in 148..<156 { tar[start + index] = 0x20 }
  let sum = tar[start..<start + 512].reduce(0) { $0 + Int($1) }
  for digit in 0..<6 { tar[start + 153 - digit] = UInt8(ascii: "0") + UInt8(sum >> (3 * digit) & 7) }
  tar[start + 154] = 0
}

private func described(_ bytes: [UInt8]) -> [UInt8] {
  var tar: [UInt8] = []
  for line in bytes.split(separator: UInt8(ascii: "\n")).prefix(50) {
    let fields = line.dropFirst().split(separator: UInt8(ascii: "\t"), maxSplits: 1, omittingEmptySubsequences: false)
    guard let type = line.first, let name = fields.first, name.count <= 100 else { continue }
    var header = [UInt8](repeating: 0, count: 512)
    let rest = fields.count > 1 ? Array(fields[1]) : []
    let isMore = "LKxg".utf8.contains(type)
    header.replaceSubrange(0..<name.count, with: name)
    header[156] = type
    for (index, byte) in "ustar\0".utf8.enumerated() { header[257 + index] = byte }
    var data: [UInt8] = []
    if isMore {
      data = type == UInt8(ascii: "x") || type == UInt8(ascii: "g") ? record(rest) : rest + [0]
      for digit in 0..<11 { header[134 - digit] = UInt8(ascii: "0") + UInt8(data.count >> (3 * digit) & 7) }
    } else {
      header.replaceSubrange(157..<157 + min(100, rest.count), with: rest.prefix(100))
    }
    tar += header
    setSum(&tar, at: tar.count - 512)
    tar += data + [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
  }
  return tar + [UInt8](repeating: 0, count: 1024)
}

/// With its length before it, its own digits included.
private func record(_ text: [UInt8]) -> [UInt8] {
  let rest = [0x20] + text + [0x0a]
  var length = rest.count
  while String(length).utf8.count + rest.count != length { length = String(length).utf8.count + rest.count }
  return Array(String(length).utf8) + rest
}

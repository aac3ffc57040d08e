/// Walks the entries of a tar while it is received, in constant memory: contents are skipped. Reads ustar and what came before
/// it, GNU's long names, and pax.
///
/// What two programs could read differently is refused, so that the tar that unpacks it writes what was seen here.
struct TarReader {
  private enum State {
    case header
    /// Passing over contents.
    case contents(left: Int)
    /// Reading what is said of the next entry: the header that says so, and the bytes that fill the last block.
    case more(TarHeader, left: Int, filling: Int)
    /// One block of zeros was there; the second one is the end.
    case oneZeroBlock
    case ended
  }

  private var state = State.header
  private var block: [UInt8] = []
  private var collected: [UInt8] = []
  private var longName: [UInt8]?
  private var longLink: [UInt8]?
  private var pax: PaxRecords?
  /// The path of the last entry.
  private(set) var last: [UInt8] = []
  /// Whether an entry is only right for who reads pax.
  private(set) var needsPax = false

  init() { block.reserveCapacity(TarHeader.size) }

  mutating func take(
    _ bytes: UnsafeRawBufferPointer, _ onEntry: (ArchiveEntry) throws(ArchiveFault) -> Void
  ) throws(ArchiveFault) {
    var rest = bytes[...]
    while !rest.isEmpty {
      switch state {
      case .contents(let left):
        let count = min(left, rest.count)
        rest = rest.dropFirst(count)
        state = count == left ? .header : .contents(left: left - count)
      case .more(let header, let left, let filling):
        let some = rest.prefix(left)
        collected.append(contentsOf: some)
        rest = rest.dropFirst(some.count)
        state = .more(header, left: left - some.count, filling: filling)
        if some.count == left {
          try note(header)
          state = filling > 0 ? .contents(left: filling) : .header
        }
      case .header, .oneZeroBlock:
        let some = rest.prefix(TarHeader.size - block.count)
        block.append(contentsOf: some)
        rest = rest.dropFirst(some.count)
        guard block.count == TarHeader.size else { return }
        try readBlock(onEntry)
        block.removeAll(keepingCapacity: true)
      case .ended:
        // The last record is filled with zeros.
        guard rest.allSatisfy({ $0 == 0 }) else { throw .trailingBytes }
        return
      }
    }
  }

  func finish() throws(ArchiveFault) {
    guard case .ended = state else { throw .truncated(after: ArchiveFault.shown(last)) }
  }

  private mutating func readBlock(_ onEntry: (ArchiveEntry) throws(ArchiveFault) -> Void) throws(ArchiveFault) {
    if block.allSatisfy({ $0 == 0 }) {
      guard longName == nil, longLink == nil, pax == nil else {
        throw .malformed("no entry follows it", entry: ArchiveFault.shown(last))
      }
      if case .oneZeroBlock = state { state = .ended } else { state = .oneZeroBlock }
      return
    }
    if case .oneZeroBlock = state { throw .trailingBytes }
    let header = try TarHeader(block, after: last)
    switch header.type {
    case UInt8(ascii: "L"), UInt8(ascii: "K"), UInt8(ascii: "x"), UInt8(ascii: "g"):
      guard header.size > 0, header.size <= ArchiveLimits.longestExtension else {
        throw .malformed("its extension has \(header.size) bytes", entry: ArchiveFault.shown(header.name))
      }
      collected = []
      state = .more(header, left: header.size, filling: Self.filling(header.size))
    default:
      let entry = try entry(header)
      last = entry.path
      try onEntry(entry)
      let blocks = entry.size + Self.filling(entry.size)
      state = blocks > 0 ? .contents(left: blocks) : .header
    }
  }

  private static func filling(_ size: Int) -> Int { (TarHeader.size - size % TarHeader.size) % TarHeader.size }

  /// Takes over what was read of the next entry.
  private mutating func note(_ header: TarHeader) throws(ArchiveFault) {
    let shown = ArchiveFault.shown(header.name)
    let bytes = collected
    collected = []
    switch header.type {
    case UInt8(ascii: "L"):
      guard longName == nil, pax == nil else { throw .malformed("it has two names", entry: shown) }
      longName = try terminated(bytes)
    case UInt8(ascii: "K"):
      guard longLink == nil, pax == nil else { throw .malformed("it has two targets", entry: shown) }
      longLink = try terminated(bytes)
    case UInt8(ascii: "x"):
      guard pax == nil, longName == nil, longLink == nil else { throw .malformed("it has two names", entry: shown) }
      pax = try PaxRecords(bytes, entry: header.name)
    default:
      // Of all entries that follow: a comment, from git for example.
      guard try !PaxRecords(bytes, entry: header.name).isEssential else {
        throw .malformed("it gives one name to all files", entry: shown)
      }
    }
  }

  /// A long name ends with its NUL.
  private func terminated(_ bytes: [UInt8]) throws(ArchiveFault) -> [UInt8] {
    let name = bytes.last == 0 ? Array(bytes.dropLast()) : bytes
    guard !name.contains(0) else { throw .holdsNUL(entry: ArchiveFault.shown(name)) }
    return name
  }

  private mutating func entry(_ header: TarHeader) throws(ArchiveFault) -> ArchiveEntry {
    defer { (longName, longLink, pax) = (nil, nil, nil) }
    if pax?.isEssential == true { needsPax = true }
    let path = pax?.path ?? longName ?? header.name
    let shown = ArchiveFault.shown(path)
    var entry = ArchiveEntry(
      .file, path: path, size: pax?.size ?? header.size, modified: pax?.modified ?? header.modified, mode: header.mode)
    switch header.type {
    case UInt8(ascii: "0"), UInt8(ascii: "7"):
      // Before ustar a directory was a file with a slash behind its name.
      if path.last == UInt8(ascii: "/") { entry.kind = .directory }
    case UInt8(ascii: "1"): entry.kind = .hardLink
    case UInt8(ascii: "2"): entry.kind = .symbolicLink
    case UInt8(ascii: "5"): entry.kind = .directory
    case UInt8(ascii: "3"), UInt8(ascii: "4"): throw .unsupported("a device", entry: shown)
    case UInt8(ascii: "6"): throw .unsupported("a FIFO", entry: shown)
    case UInt8(ascii: "S"): throw .unsupported("a sparse file, which not every tar can read", entry: shown)
    default:
      throw .unsupported("of the type \(ArchiveFault.shown([header.type]))", entry: shown)
    }
    if entry.kind == .symbolicLink || entry.kind == .hardLink { entry.target = pax?.link ?? longLink ?? header.link }
    // Some skip what such an entry says to have of contents, and some do not.
    guard entry.kind == .file || entry.size == 0 else { throw .malformed("it has content", entry: shown) }
    guard entry.size < 1 << 56 else { throw .malformed("its size is too large", entry: shown) }
    return entry
  }
}

/// What the entries of an archive make, one after another: refuses what would be written elsewhere than it says.
///
/// Nothing leaves the tree, since no entry is written through a symbolic link, so that the directory of each link is where
/// its path says; and since its target climbs at its beginning only, and no further than to the top. From there it
/// descends, maybe through other links, of which the same is true.
///
/// For each place a hash is kept and not its name: 1,000,000 entries take some 30 MB, however long their names are. The
/// hash is SipHash with a random key, so nobody can choose two names with the same one.
struct ArchiveTree {
  private enum Node: UInt8 { case directory, file, link }

  private var nodes: [Int: Node] = [:]
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  mutating func add(_ entry: ArchiveEntry) throws(ArchiveFault) {
    let shown = ArchiveFault.shown(entry.path)
    let names = try Self.names(of: entry.path, shown)
    guard let last = names.last else {
      guard entry.kind == .directory else { throw .conflicts(entry: shown) }
      return
    }
    let target: Node? = entry.kind == .hardLink ? try follow(entry, shown) : nil
    if entry.kind == .symbolicLink { try checkTarget(of: entry, depth: names.count - 1, shown) }
    var place = 0
    for name in names.dropLast() {
      place = Self.place(name, in: place)
      try put(.directory, at: place, shown)
    }
    let node: Node =
      switch entry.kind {
      case .directory: .directory
      case .file: .file
      case .hardLink: target ?? .file
      case .symbolicLink: .link
      }
    try put(node, at: Self.place(last, in: place), shown)
  }

  /// Whether a file is at a path; nil when nothing is.
  func isFile(_ path: [UInt8]) throws(ArchiveFault) -> Bool? {
    let names = try Self.names(of: path, ArchiveFault.shown(path))
    return nodes[names.reduce(0) { Self.place($1, in: $0) }].map { $0 == .file }
  }

  private mutating func put(_ node: Node, at place: Int, _ shown: String) throws(ArchiveFault) {
    switch (nodes[place], node) {
    case (nil, _):
      guard nodes.count < limit else { throw .tooManyEntries(limit: limit) }
      nodes[place] = node
    // The later one takes the place of the earlier.
    case (.directory?, .directory), (.file?, .file), (.link?, .link): break
    case (.link?, _): throw .writesThrough(entry: shown)
    case (.directory?, _), (.file?, _): throw .conflicts(entry: shown)
    }
  }

  /// Where a hard link leads: to an entry that is a file, by a path without links.
  private func follow(_ entry: ArchiveEntry, _ shown: String) throws(ArchiveFault) -> Node {
    let target = ArchiveFault.shown(entry.target)
    let names: [ArraySlice<UInt8>]
    do { names = try Self.names(of: entry.target, target) } catch {
      if case .holdsNUL = error { throw .holdsNUL(entry: shown) }
      throw .leadsOut(entry: shown, target: target)
    }
    var place = 0
    for name in names {
      place = Self.place(name, in: place)
      if nodes[place] == .link { throw .leadsThrough(entry: shown, target: target) }
    }
    guard nodes[place] == .file else { throw .leadsNowhere(entry: shown, target: target) }
    return .file
  }

  /// - Parameter depth: how many directories the link is below the top.
  private func checkTarget(of entry: ArchiveEntry, depth: Int, _ shown: String) throws(ArchiveFault) {
    let fault = ArchiveFault.leadsOut(entry: shown, target: ArchiveFault.shown(entry.target))
    guard !entry.target.contains(0) else { throw .holdsNUL(entry: shown) }
    guard let first = entry.target.first, first != UInt8(ascii: "/") else { throw fault }
    guard entry.target.count <= ArchiveLimits.longestPath else { throw .tooLong(entry: shown) }
    var (climbed, hasDescended) = (0, false)
    for name in entry.target.split(separator: UInt8(ascii: "/")) where !name.elementsEqual(".".utf8) {
      guard name.elementsEqual("..".utf8) else {
        hasDescended = true
        continue
      }
      climbed += 1
      guard !hasDescended, climbed <= depth else { throw fault }
    }
  }

  /// The names that a path is made of.
  private static func names(of path: [UInt8], _ shown: String) throws(ArchiveFault) -> [ArraySlice<UInt8>] {
    guard !path.contains(0) else { throw .holdsNUL(entry: shown) }
    guard let first = path.first else { throw .malformed("it has no name", entry: shown) }
    guard first != UInt8(ascii: "/") else { throw .absolutePath(entry: shown) }
    guard path.count <= ArchiveLimits.longestPath else { throw .tooLong(entry: shown) }
    var names: [ArraySlice<UInt8>] = []
    for name in path.split(separator: UInt8(ascii: "/")) where !name.elementsEqual(".".utf8) {
      guard !name.elementsEqual("..".utf8) else { throw .climbs(entry: shown) }
      guard name.count <= ArchiveLimits.longestName else { throw .tooLong(entry: shown) }
      names.append(name)
    }
    return names
  }

  private static func place(_ name: ArraySlice<UInt8>, in directory: Int) -> Int {
    var hasher = Hasher()
    hasher.combine(directory)
    name.withUnsafeBytes { hasher.combine(bytes: $0) }
    return hasher.finalize()
  }
}

/// Finds aliases in keys that may be lists or mappings, without parsing. It may find one in a longer text too, where there
/// is a name that is an anchor's before it.
///
/// Such a key begins with `?`, where it may have many lines, or ends with a bracket or an alias and `:`, all on one line
/// (YAML 1.2.2, sections 7.4.2 and 8.2.2).
struct KeyScanner {
  /// An alias is in such a key, or in a text with keys that begin with `?`.
  var hasAlias: Bool { isAliasInKey || (isAliasInText && isKeyMarked) }

  private var isAliasInKey = false
  private var isAliasInText = false
  private var isAliasInLine = false
  private var isKeyMarked = false
  private var anchors: Set<[UInt8]> = []
  /// The name that is being read, after the `&` or `*` that is `last`.
  private var name: [UInt8]?
  /// The last byte that was not a blank and not part of such a name.
  private var last = UInt8(ascii: "\n")
  /// Whether the byte before was a `?` that begins a key if a blank follows.
  private var mayMark = false

  mutating func read(_ byte: UInt8) {
    if name != nil, Self.isOfName(byte) {
      name?.append(byte)
      return
    }
    endName()
    if mayMark, byte >= 0x80 || " \t\n\r".utf8.contains(byte) { isKeyMarked = true }
    mayMark = false
    switch byte {
    case UInt8(ascii: " "), UInt8(ascii: "\t"): return
    case UInt8(ascii: "\n"), UInt8(ascii: "\r"): isAliasInLine = false
    case UInt8(ascii: "&"), UInt8(ascii: "*"): name = []
    case UInt8(ascii: ":"): if isAliasInLine, "]}*".utf8.contains(last) { isAliasInKey = true }
    case UInt8(ascii: "?"):
      // Among brackets no blank need follow. Unicode has more line ends than these.
      if "[{,".utf8.contains(last) { isKeyMarked = true }
      mayMark = last >= 0x80 || "\n\r-?:".utf8.contains(last)
    default: break
    }
    last = byte
  }

  private mutating func endName() {
    guard let name else { return }
    if last == UInt8(ascii: "&") {
      anchors.insert(name)
    } else if anchors.contains(name) {
      (isAliasInText, isAliasInLine) = (true, true)
    }
    self.name = nil
  }

  /// As libyaml reads names of anchors.
  static func isOfName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}

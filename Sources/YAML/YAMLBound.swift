import Yams

/// How much a YAML text may hold: a parser takes hundreds of bytes for each entry, however short it is, and aliases repeat
/// what there is as often as they like.
public enum YAMLBound {
  /// The most keys and items of lists.
  public static let entries = 100_000
  /// The most scalars, lists and mappings with each alias replaced by its value: more than `entries` can make
  /// without aliases.
  public static let values = 5 * entries

  /// Why a text is refused before it is parsed, as the end of a sentence about the file; nil when it is not.
  ///
  /// Yams hashes each key with all that it holds: one of 40 aliases, each of a list of two of the one before, takes hours.
  public static func fault(in text: some Collection<UInt8>) -> String? {
    var marks = 0
    var keys = KeyScanner()
    var before = UInt8(ascii: "\n")
    for byte in text {
      if isMark(byte, after: before) { marks += 1 }
      keys.read(byte)
      before = byte
    }
    keys.read(UInt8(ascii: "\n"))
    if marks > entries { return "has more than \(entries) entries" }
    return keys.hasAlias && hasAliases(text) ? "has aliases in keys that are lists or mappings" : nil
  }

  /// Why a parsed document is refused before anything is decoded of it, in the same form.
  ///
  /// The parts that aliases repeat are shared in memory, until a decoder visits or merges them one by one.
  public static func fault(in root: Node) -> String? {
    var counter = ValueCounter()
    return counter.count(root) > values ? "has more than \(values) values once its aliases are expanded" : nil
  }

  /// Whether an entry begins: each key has its `:` or `?`, each item its `-`, `,` or `[`.
  ///
  /// Some characters in longer texts are counted too, so the bound is far above what any file needs.
  private static func isMark(_ byte: UInt8, after before: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "{"): true
    case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
      before == UInt8(ascii: "-") || before == UInt8(ascii: "?")
    default: false
    }
  }

  /// Whether the parser comes upon an alias. With a tag in the place of each anchor it fails there, before anything is
  /// repeated.
  private static func hasAliases(_ text: some Collection<UInt8>) -> Bool {
    var withoutAnchors: [UInt8] = []
    var isInName = false
    for byte in text {
      // A tag may hold bytes that end the name of an anchor.
      if isInName, !KeyScanner.isOfName(byte) { withoutAnchors.append(UInt8(ascii: " ")) }
      isInName = byte == UInt8(ascii: "&") || (isInName && KeyScanner.isOfName(byte))
      withoutAnchors.append(byte == UInt8(ascii: "&") ? UInt8(ascii: "!") : byte)
    }
    do { _ = try Yams.compose(yaml: String(decoding: withoutAnchors, as: UTF8.self)) } catch { return true }
    return false
  }
}

/// Counts the values below a node. The value of an alias is counted once, and added as often as it is repeated.
private struct ValueCounter {
  /// Where a list or mapping is in the text.
  private struct Place: Hashable {
    let line: Int
    let column: Int
    let isMapping: Bool
  }

  private var counts: [Place: Int] = [:]

  mutating func count(_ node: Node) -> Int {
    let place = node.mark.map { Place(line: $0.line, column: $0.column, isMapping: node.mapping != nil) }
    if node.scalar == nil, let place, let known = counts[place] { return known }
    var count = 1
    switch node {
    case .scalar, .alias: return 1
    case .sequence(let items): for item in items { add(item, to: &count) }
    case .mapping(let pairs):
      for (key, value) in pairs {
        add(key, to: &count)
        add(value, to: &count)
      }
    }
    if let place { counts[place] = count }
    return count
  }

  private mutating func add(_ node: Node, to count: inout Int) {
    count = min(count + self.count(node), YAMLBound.values + 1)
  }
}

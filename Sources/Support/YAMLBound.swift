/// How much a YAML text may hold: a parser takes hundreds of bytes for each entry, however short it is.
public enum YAMLBound {
  /// The most keys and items of lists.
  public static let entries = 100_000

  /// What is wrong with a text that has too many entries, as the end of a sentence about the file; nil when it has not.
  ///
  /// Counts the marks that begin an entry, without parsing: each key has its `:` or `?`, each item its `-`, `,` or `[`.
  /// Some marks in longer texts are counted too, so the bound is far above what any file needs.
  public static func fault(in text: some Sequence<UInt8>) -> String? {
    var marks = 0
    var before = UInt8(ascii: "\n")
    for byte in text {
      switch byte {
      case UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "{"): marks += 1
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        if before == UInt8(ascii: "-") || before == UInt8(ascii: "?") { marks += 1 }
      default: break
      }
      before = byte
    }
    return marks > entries ? "has more than \(entries) entries" : nil
  }
}

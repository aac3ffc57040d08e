/// Slurm's compressed host lists: `node[1-3,7]`, `a01,b[08-10]-ib`.
enum HostList {
  /// More names than any cluster has; a longer list is cut there.
  static let limit = 65_536

  /// The names of a host list, in its order. Text that is no host list is kept as one name.
  static func expand(_ text: String) -> [String] {
    if !text.utf8.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "[") }) {
      return text.isEmpty ? [] : [text]
    }
    var names: [String] = []
    for item in split(text[...]) where !item.isEmpty {
      names += expandItem(item, room: limit - names.count)
      if names.count >= limit { break }
    }
    return names
  }

  /// Parts a list at the commas outside brackets.
  private static func split(_ text: Substring) -> [Substring] {
    var depth = 0
    return text.split(omittingEmptySubsequences: true) { character in
      switch character {
      case "[": depth += 1
      case "]": depth -= 1
      case ",": return depth == 0
      default: break
      }
      return false
    }
  }

  private static func expandItem(_ item: Substring, room: Int) -> [String] {
    guard let open = item.firstIndex(of: "["), let close = item[open...].firstIndex(of: "]") else {
      return [String(item)]
    }
    let prefix = item[..<open]
    let rests = expandItem(item[item.index(after: close)...], room: room)
    var names: [String] = []
    for range in item[item.index(after: open)..<close].split(separator: ",") {
      for number in numbers(range, room: room - names.count) {
        for rest in rests.prefix(room - names.count) { names.append(prefix + number + rest) }
        if names.count >= room { return names }
      }
    }
    return names
  }

  /// The numbers of `7` or `08-10`, each as wide as the first.
  private static func numbers(_ range: Substring, room: Int) -> [String] {
    let ends = range.split(separator: "-", maxSplits: 1)
    guard ends.count == 2, let first = Int(ends[0]), let last = Int(ends[1]), first <= last else {
      return [String(range)]
    }
    let width = ends[0].count
    return (first...last).prefix(max(0, room)).map { number in
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
  }
}

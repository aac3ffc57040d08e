import ConnectorSupport

/// Slurm's compressed host lists: `node[1-3,7]`, `a01,b[08-10]-ib`.
enum HostList {
  /// More names than any cluster has; a longer list is cut there.
  static let limit = 65_536
  /// The longest name of a host (RFC 1123); a longer one is cut there.
  private static let longestName = 255
  /// More brackets in one name than Slurm has dimensions.
  private static let mostBrackets = 8

  /// The names of a host list, in its order. Text that is not a host list is kept as one name.
  static func expand(_ text: String) -> [String] {
    var names: [String] = []
    for item in split(text[...]) {
      expand(item, into: &names)
      if names.count >= limit { break }
    }
    return names
  }

  /// Parts a list at the commas outside brackets.
  private static func split(_ text: Substring) -> [Substring] {
    var depth = 0
    let items = text.utf8.split(omittingEmptySubsequences: true) { byte in
      switch byte {
      case UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: ","): return depth == 0
      default: break
      }
      return false
    }
    return items.map { Substring($0) }
  }

  private static func expand(_ item: Substring, into names: inout [String]) {
    let room = limit - names.count
    var made = [""]
    var rest = item
    var brackets = 0
    while let open = rest.firstIndex(of: "["), let close = rest[open...].firstIndex(of: "]") {
      brackets += 1
      guard brackets <= mostBrackets else { return names.append(String(item.prefix(longestName))) }
      let prefix = rest[..<open].prefix(longestName)
      let numbers = numbers(rest[rest.index(after: open)..<close], room: room)
      made = combine(made, numbers.map { prefix + $0 }, room: room)
      rest = rest[rest.index(after: close)...]
    }
    names += combine(made, [rest], room: room)
  }

  /// Each of the names with each of the ends, as long as there is room.
  private static func combine(_ names: [String], _ ends: [some StringProtocol], room: Int) -> [String] {
    var made: [String] = []
    for name in names {
      for end in ends {
        guard made.count < room else { return made }
        made.append(String((name + end).prefix(longestName)))
      }
    }
    return made
  }

  /// The numbers of `7,08-10`, each of a range as wide as its first.
  private static func numbers(_ list: Substring, room: Int) -> [String] {
    var numbers: [String] = []
    for range in list.split(separator: ",") where numbers.count < room {
      let ends = range.split(separator: "-", maxSplits: 1)
      guard ends.count == 2, let first = MachineNumber.count(ends[0]), let last = MachineNumber.count(ends[1]),
        first <= last
      else {
        numbers.append(String(range.prefix(longestName)))
        continue
      }
      for number in (first...last).prefix(room - numbers.count) {
        let digits = String(number)
        numbers.append(String(repeating: "0", count: max(0, ends[0].count - digits.count)) + digits)
      }
    }
    return numbers
  }
}

/// Doubly linked lists of small numbers, which are descriptors here. A number is in one of them at most, and goes in and
/// out in constant time, without memory of its own.
struct IndexLists {
  private struct Links {
    var list: Int32 = -1
    var before: Int32 = -1
    var after: Int32 = -1
  }

  private var links: [Links] = []
  private var ends: [(first: Int32, last: Int32)]

  /// - Parameter count: how many lists there are.
  init(count: Int) { ends = Array(repeating: (first: -1, last: -1), count: count) }

  func first(of list: Int) -> Int? { ends[list].first < 0 ? nil : Int(ends[list].first) }

  /// The one behind `index` in its list.
  func next(after index: Int) -> Int? {
    guard index < links.count, links[index].after >= 0 else { return nil }
    return Int(links[index].after)
  }

  /// Puts `index` at the end of a list, out of the one it was in.
  mutating func append(_ index: Int, to list: Int) {
    remove(index)
    while links.count <= index { links.append(Links()) }
    let last = ends[list].last
    links[index] = Links(list: Int32(list), before: last, after: -1)
    if last < 0 { ends[list].first = Int32(index) } else { links[Int(last)].after = Int32(index) }
    ends[list].last = Int32(index)
  }

  /// Takes `index` out of its list, if it is in one.
  mutating func remove(_ index: Int) {
    guard index < links.count, links[index].list >= 0 else { return }
    let removed = links[index]
    links[index] = Links()
    if removed.before < 0 {
      ends[Int(removed.list)].first = removed.after
    } else {
      links[Int(removed.before)].after = removed.after
    }
    if removed.after < 0 {
      ends[Int(removed.list)].last = removed.before
    } else {
      links[Int(removed.after)].before = removed.before
    }
  }
}

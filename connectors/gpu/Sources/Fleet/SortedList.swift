/// A list in ascending order, kept in chunks: a search is binary, and a change moves the elements of one chunk only, so
/// that neither slows with the length of the list. A copy shares its chunks.
struct SortedList<Element: Comparable> {
  private static var chunkLimit: Int { 256 }

  /// None is empty.
  private var chunks: [[Element]] = []
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }
  var first: Element? { chunks.first?.first }

  /// The first element that is greater than another, which need not be in the list.
  func first(after element: Element) -> Element? {
    guard let chunk = chunks.indices.binarySearch({ chunks[$0][chunks[$0].count - 1] > element }),
      let index = chunks[chunk].indices.binarySearch({ chunks[chunk][$0] > element })
    else { return nil }
    return chunks[chunk][index]
  }

  mutating func insert(_ element: Element) {
    count += 1
    guard !chunks.isEmpty else {
      chunks = [[element]]
      return
    }
    let chunk = chunk(for: element) ?? chunks.count - 1
    chunks[chunk].insert(element, at: position(of: element, in: chunk))
    let size = chunks[chunk].count
    guard size > Self.chunkLimit else { return }
    // Most elements come at the end: there a full chunk stays full, and a new one is begun.
    let cut = chunk == chunks.count - 1 ? size - 1 : size / 2
    let tail = Array(chunks[chunk][cut...])
    chunks[chunk].removeSubrange(cut...)
    chunks.insert(tail, at: chunk + 1)
  }

  /// - Returns: whether it was there.
  @discardableResult
  mutating func remove(_ element: Element) -> Bool {
    guard let chunk = chunk(for: element) else { return false }
    let index = position(of: element, in: chunk)
    guard chunks[chunk][index] == element else { return false }
    chunks[chunk].remove(at: index)
    if chunks[chunk].isEmpty { chunks.remove(at: chunk) }
    count -= 1
    return true
  }

  mutating func popFirst() -> Element? {
    guard let first else { return nil }
    remove(first)
    return first
  }

  /// The first chunk whose last element is not below this one.
  private func chunk(for element: Element) -> Int? {
    chunks.indices.binarySearch { chunks[$0][chunks[$0].count - 1] >= element }
  }

  private func position(of element: Element, in chunk: Int) -> Int {
    chunks[chunk].indices.binarySearch { chunks[chunk][$0] >= element } ?? chunks[chunk].count
  }
}

extension SortedList: Sendable where Element: Sendable {}

extension SortedList: Sequence {
  func makeIterator() -> FlattenSequence<[[Element]]>.Iterator { chunks.joined().makeIterator() }
}

extension Range<Int> {
  /// The first number for which something holds that, once it holds, holds for all later ones.
  fileprivate func binarySearch(_ holds: (Int) -> Bool) -> Int? {
    var (low, high) = (lowerBound, upperBound)
    while low < high {
      let middle = low + (high - low) / 2
      if holds(middle) { high = middle } else { low = middle + 1 }
    }
    return low < upperBound ? low : nil
  }
}

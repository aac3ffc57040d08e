/// Finds the name that somebody may have meant.
public enum NearMiss {
  /// The nearest of `names`, whatever the case; nil when none is near.
  /// - Parameter changes: how many letters may be inserted, removed, replaced, or swapped with their neighbour, for each
  ///   of the names.
  public static func of(
    _ name: String, among names: [String], changes: (_ name: String) -> Int = { _ in 2 }
  ) -> String? {
    ranked(names, by: name).first.flatMap { $0.distance <= changes($0.name) ? $0.name : nil }
  }

  /// The names, those first that are nearest to `name`; none when that is so long that nobody meant one of them.
  public static func ranked(_ names: [String], by name: String) -> [(name: String, distance: Int)] {
    guard name.utf8.count <= 64 else { return [] }
    let wanted = Array(name.uppercased().utf8)
    let distances = names.enumerated().map { index, name in
      (index: index, name: name, distance: distance(wanted, Array(name.uppercased().utf8)))
    }
    return distances.sorted { ($0.distance, $0.index) < ($1.distance, $1.index) }.map { ($0.name, $0.distance) }
  }

  /// How many letters must change to make one name the other (the optimal string alignment distance).
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var (before, row) = ([Int](), Array(0...right.count))
    for i in left.indices {
      var next = [i + 1]
      for j in right.indices {
        let change = row[j] + (left[i] == right[j] ? 0 : 1)
        var best = min(change, row[j + 1] + 1, next[j] + 1)
        if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { best = min(best, before[j - 1] + 1) }
        next.append(best)
      }
      (before, row) = (row, next)
    }
    return row[right.count]
  }
}

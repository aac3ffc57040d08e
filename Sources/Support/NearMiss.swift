/// Finds the name that somebody may have meant.
public enum NearMiss {
  /// The first of `names` that is one or two letters away from `name`, whatever the case; nil when none is.
  public static func of(_ name: String, among names: [String]) -> String? {
    guard name.utf8.count <= 64 else { return nil }
    let wanted = Array(name.uppercased().utf8)
    let near = names.map { (name: $0, distance: distance(wanted, Array($0.uppercased().utf8))) }
      .min { $0.distance < $1.distance }
    return near.flatMap { $0.distance <= 2 ? $0.name : nil }
  }

  /// How many letters must change to make one name the other (Levenshtein's distance).
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (i, letter) in left.enumerated() {
      var previous = row[0]
      row[0] = i + 1
      for j in right.indices {
        let change = previous + (right[j] == letter ? 0 : 1)
        previous = row[j + 1]
        row[j + 1] = min(change, row[j] + 1, previous + 1)
      }
    }
    return row[right.count]
  }
}

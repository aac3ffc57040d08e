import Foundation
import JobModel

extension Job {
  /// Whether more than the time of the last look is new. How long it has run is written less and less often: after a
  /// restart it is known to a sixth.
  func differsLastingly(from other: Job) -> Bool {
    func step(_ seconds: Int) -> Int { Int(4 * log2(Double(max(0, seconds)) + 1)) }
    guard step(elapsed) == step(other.elapsed) else { return true }
    var other = other
    other.contact.seenAt = contact.seenAt
    other.elapsed = elapsed
    return self != other
  }
}

import Foundation
import JobModel
import Support

// What the engine needs to know of a job.
extension Job {
  /// Whether more than the time of the last poll is new. How long it has run is written less and less often: after a
  /// restart it is known to a sixth.
  func differsLastingly(from other: Job) -> Bool {
    func step(_ seconds: Int) -> Int { Int(4 * log2(Double(max(0, seconds)) + 1)) }
    guard step(elapsed) == step(other.elapsed) else { return true }
    var other = other
    other.contact.seenAt = contact.seenAt
    other.elapsed = elapsed
    return self != other
  }

  /// The job as a connector is to see it that asks what the backend remembers: its submit is as long ago by the calendar of
  /// now as it is in truth, or longer where that is not known.
  func dated(by clock: JobClock) -> Job {
    let now = clock.date
    var dated = self
    if let age = clock.age(of: submittedStamp) {
      dated.submittedAt = now - age.inSeconds
    } else if submittedStamp != nil {
      // The machine was started since.
      dated.submittedAt = min(submittedAt, now) - 86_400
    }
    return dated
  }

  /// Throws while it is in doubt whether the backend has the job.
  func requireBackendID() throws(JobError) {
    if backendID == nil { throw .unsettled(key, why: "it is not known yet whether the backend has it") }
  }
}

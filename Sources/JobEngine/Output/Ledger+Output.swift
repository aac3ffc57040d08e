import Foundation
import JobModel
import JobStore

extension Ledger {
  /// Keeps the output that is to be answered of a job that is over, and notes that it is.
  ///
  /// Corrections are made here as well, so that the end is either answered or corrected first.
  /// - Returns: the output that is answered, and whether it had not expired.
  /// - Throws: a ``JobError`` when the end was corrected while the backend was asked, and was not answered before.
  func answer(
    _ output: [UInt8], of job: Job, at now: Date, limit: Int, keptFor seconds: TimeInterval
  ) throws -> (output: [UInt8], isInTime: Bool) {
    if job.state.isTerminal, let known = current(job), !known.hasSameEnd(as: job), try !store.hasToldEnd(of: job.id) {
      guard known.state.isTerminal else { throw JobError.notOver(job.key, known.state) }
      throw JobError.unavailable("the end of job \(job.key) was corrected just now; send the same request again")
    }
    let due = serviceTime.now + seconds
    return try writing { store in
      let kept = try store.keep(output: output, of: job.id)
      let isInTime = try store.answered(job.id, size: kept.count, at: now, due: due)
      try store.makeRoom(of: job.owner, besides: job.id, limit: limit)
      return (kept, isInTime)
    }
  }
}

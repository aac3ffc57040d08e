import Foundation
import JobModel

extension Ledger {
  /// Repairs what can be repaired of damaged rows, with an event that says what stood there, and tells of all of them.
  func tell(ofDamaged rows: [JobRow]) {
    for row in rows where !row.faults.isEmpty {
      let fate = row.job == nil ? "set aside; its record is not changed" : "repaired"
      logger.error("the store holds a damaged record: \(row.sentence): \(fate)")
      store.health.note(row.sentence, "the store held a damaged record, \(row.sentence): \(fate)")
      guard let job = row.job else { continue }
      let event = JobEvent(
        job: job.id, time: clock.date, actor: "weir", from: job.state, to: job.state, source: "weir",
        reason: "its record was damaged and repaired: \(row.faults.joined(separator: ", "))")
      do { try writing { [store] in try store.save([.init(job: job, events: [event])]) } } catch {
        logger.error("\(job.key): its record cannot be repaired on disk: \(error)")
      }
    }
  }
}

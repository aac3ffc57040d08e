import Foundation
import JobModel
import JobStore

extension Ledger {
  /// Repairs what can be repaired of damaged rows, with an event that says what stood there, and tells of all of them.
  func tell(ofDamaged records: [StoredJob]) {
    for record in records where !record.faults.isEmpty {
      let fate = record.job == nil ? "set aside; its record is not changed" : "repaired"
      logger.error("the store holds a damaged record: \(record.sentence): \(fate)")
      store.health.note(record.sentence, "the store held a damaged record, \(record.sentence): \(fate)")
      guard let job = record.job else { continue }
      let event = JobEvent(
        job: job.id, time: clock.date, actor: "weir", from: job.state, to: job.state, source: "weir",
        reason: "its record was damaged and repaired: \(record.faults.joined(separator: ", "))")
      do { try writing { [store] in try store.save([.init(job: job, events: [event])]) } } catch {
        logger.error("\(job.key): its record cannot be repaired on disk: \(error)")
      }
    }
  }
}

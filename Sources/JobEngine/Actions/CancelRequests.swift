import Foundation
import JobModel
import Synchronization

/// Notes who asked for the end of a job, also of one that is lost: it is canceled again if it turns up.
final class CancelRequests: Sendable {
  private let ledger: Ledger
  /// Who asked for the end of a job that was lost, by the jobs' ids. Changed on the ledger alone.
  private let lost = Mutex<[JobID: String]>([:])

  init(ledger: Ledger) { self.ledger = ledger }

  /// Notes that the end of a job was asked for. Of a lost one that is an event, once.
  ///
  /// What counts is the job as it is now: its end may have been corrected while the backend was asked.
  func note(_ job: Job, actor: String, at time: Date) async throws {
    try await note(job, actor: actor, at: time, on: ledger)
  }

  private func note(_ job: Job, actor: String, at time: Date, on ledger: isolated Ledger) throws {
    let now = ledger.current(job) ?? job
    guard now.state.isTerminal else {
      ledger.apply(.cancelRequested(reason: "canceled by \(actor)"), to: now, actor: actor, at: time)
      return
    }
    guard now.isCorrectable, lost.withLock({ $0.updateValue(actor, forKey: now.id) }) == nil else { return }
    let event = JobEvent(
      job: now.id, time: time, actor: actor, from: now.state, to: now.state, source: "weir",
      reason: "canceled by \(actor), though it is \(now.state.rawValue)")
    try ledger.record(event, of: now)
  }

  /// Who asked for the end of a job while it was lost; nil when nobody did.
  func actor(ofLost id: JobID) -> String? { lost.withLock { $0[id] } }

  /// The job is not lost any more.
  func forget(_ id: JobID) { lost.withLock { $0[id] = nil } }
}

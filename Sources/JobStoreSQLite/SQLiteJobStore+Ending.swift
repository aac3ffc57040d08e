import Foundation
import GRDB
import JobModel
import JobStore

/// How an administrator names a job: by `NAME/NUMBER`, by Weir's id, or by the backend's.
public struct JobReference: Sendable, Equatable, CustomStringConvertible {
  public let description: String
  fileprivate let key: JobKey?

  public init(_ text: String) {
    description = text
    guard let slash = text.lastIndex(of: "/"), let number = Int(text[text.index(after: slash)...]) else {
      key = nil
      return
    }
    key = JobKey(name: String(text[..<slash]), number: number)
  }
}

extension SQLiteJobStore {
  /// Ends a job by an administrator's decision: for what no backend will ever tell the end of.
  ///
  /// It ends as canceled, with who and why. What the backend shows of it later corrects that.
  /// - Parameter time: when; never before the job was submitted.
  /// - Returns: the job as it is now.
  /// - Throws: ``StoreError/unusable(_:)`` when no living job is meant, or more than one.
  public func end(
    _ reference: JobReference, actor: String, reason: String, at time: Date, keepingOutputFor seconds: TimeInterval
  ) throws(StoreError) -> Job {
    do {
      let job = try living(reference)
      var ended = job
      try ended.apply(.endedByHand(reason: "ended by \(actor): \(reason)"), at: time, source: Job.administrator)
      ended.version += 1
      let event = JobEvent(
        job: job.id, time: time, actor: actor, from: job.state, to: ended.state, source: Job.administrator,
        reason: ended.reason)
      let due = try (serviceTime() ?? time) + seconds
      guard try save([JobWrite(job: ended, expecting: job.version, events: [event], outputDue: due)]).stale.isEmpty
      else {
        throw StoreError.unusable("job \(job.key) changed just now; run the command again")
      }
      return ended
    } catch {
      throw .reading(error)
    }
  }

  private func living(_ reference: JobReference) throws -> Job {
    let jobs = try read { db in
      if let key = reference.key {
        return try JobRow.jobs(
          db, sql: "SELECT * FROM job WHERE name = ? AND upstreamNumber = ? AND \(Schema.holdsName)",
          arguments: [key.name, key.number],
          now: clock.date)
      }
      return try JobRow.jobs(
        db, sql: "SELECT * FROM job WHERE id = :text OR submissionToken = :text OR backendID = :text",
        arguments: ["text": reference.description], now: clock.date)
    }
    let living = jobs.filter { !$0.state.isTerminal }
    guard let job = living.first else {
      throw StoreError.unusable(
        jobs.first.map { "job \($0.key) has ended already: \($0.state.rawValue), \($0.reason)" }
          ?? "the store has no job \(reference); give NAME/NUMBER, the job's id, or the id that the backend gave it")
    }
    guard living.count == 1 else {
      let names = living.map(\.key.description).sorted().joined(separator: ", ")
      throw StoreError.unusable("the id \(reference) belongs to several jobs: \(names); give one as NAME/NUMBER")
    }
    return job
  }
}

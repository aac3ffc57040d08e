import Foundation
import JobModel

/// What is written of one job in one transaction: the job, why it changed, and once it has ended when its output may go.
package struct JobWrite: Sendable {
  package var job: Job
  /// The version that it changes; nil for whatever is stored.
  package var expected: Int?
  package var events: [JobEvent]
  /// Attempts that others followed.
  package var attempts: [EarlierAttempt]
  package var outputDue: Date?
  /// The job as it had ended, if it has not ended after all, or ended in another way.
  package var corrects: Job?

  package init(
    job: Job, expecting expected: Int?, events: [JobEvent] = [], attempts: [EarlierAttempt] = [],
    outputDue: Date? = nil,
    corrects: Job? = nil
  ) {
    self.job = job
    self.expected = expected
    self.events = events
    self.attempts = attempts
    self.outputDue = outputDue
    self.corrects = corrects
  }

  /// What changed of a job at once.
  package init(_ after: Job, from before: Job, events: [JobEvent]) {
    self.init(
      job: after, expecting: before.version, events: events,
      attempts: before.attemptEnded(by: after).map { [$0] } ?? [])
  }

  /// Takes in a further change of the job before it is written.
  package mutating func add(_ further: JobWrite) {
    job = further.job
    events += further.events
    attempts += further.attempts
  }

  /// What came of some writes.
  package struct Result: Sendable {
    /// The events, with their numbers.
    package var events: [JobEvent] = []
    /// Jobs that were not written, since what is stored is another version than was expected.
    package var stale: Set<JobID> = []

    package init() {}

    package mutating func add(_ other: Result) {
      events += other.events
      stale.formUnion(other.stale)
    }
  }
}

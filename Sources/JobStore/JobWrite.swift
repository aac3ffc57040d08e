import Foundation
import JobModel

/// What is written of one job in one transaction: the job, why it changed, and once it has ended when its output may go.
package struct JobWrite: Sendable {
  package var job: Job
  package var events: [JobEvent]
  package var outputDue: Date?
  /// The job as it had ended, if it has not ended after all, or ended in another way.
  package var corrects: Job?

  package init(job: Job, events: [JobEvent] = [], outputDue: Date? = nil, corrects: Job? = nil) {
    (self.job, self.events, self.outputDue, self.corrects) = (job, events, outputDue, corrects)
  }
}

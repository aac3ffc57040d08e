import JobModel

/// A job as it was read from the store. A record that is damaged keeps no other from being read.
package struct StoredJob: Sendable {
  /// Nil when it is set aside: what stands in its record cannot be repaired.
  package let job: Job?
  /// What stood in the fields that were repaired, or that keep the job from being read; empty when all is well.
  package let faults: [String]
  /// The job's name or id, as far as they can be read: `job NAME/NUMBER`.
  package let subject: String

  package init(job: Job?, faults: [String], subject: String) {
    (self.job, self.faults, self.subject) = (job, faults, subject)
  }

  /// What is wrong, in one sentence.
  package var sentence: String { "\(subject): \(faults.joined(separator: ", "))" }
}

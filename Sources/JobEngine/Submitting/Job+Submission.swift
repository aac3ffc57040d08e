import ConnectorAPI
import Foundation
import JobModel

extension Job {
  /// A job that is being submitted.
  init(_ submission: JobSpec, fingerprint: String, connector: any Connector, clock: JobClock) {
    self.init(submission, fingerprint: fingerprint, connector: connector, now: clock.date)
    submittedStamp = clock.stamp
  }

  /// - Parameter token: of a job that the backend has already; nil for a new one.
  init(
    _ submission: JobSpec, token: String? = nil, fingerprint: String, connector: any Connector, now: Date
  ) {
    self.init(
      id: JobID(rawValue: token == nil ? ULID.next(at: now) : ULID.make(at: now)), key: submission.key,
      owner: submission.owner,
      account: submission.account, connector: connector.name, submissionToken: token ?? ULID.make(at: now),
      fingerprint: fingerprint, lifecycle: .inDoubt(since: nil), contact: Contact(seenAt: now, source: "weir"),
      reason: "sent to the backend", submittedAt: now)
    outputPath = connector.outputPath(of: submission, token: submissionToken)
    priority = submission.priority
    input = submission.input
    if connector.has(.ownQueue) {
      resources = ResourceRequest(
        gpus: submission.gpusPerNode, cores: submission.coresPerNode, memory: submission.memoryPerNode)
    }
  }
}

import ConnectorAPI
import Foundation
import JobModel

/// Since when the servers of jobs are neither in the servers file nor to be reached. Nobody will ever say what became of
/// those.
struct GoneServers: Sendable {
  private var since: [JobID: ContinuousClock.Instant] = [:]

  /// Notes of which jobs the servers are gone now.
  mutating func note(_ jobs: Set<JobID>, at now: ContinuousClock.Instant = .now) {
    since = Dictionary(uniqueKeysWithValues: jobs.map { ($0, since[$0] ?? now) })
  }

  /// Whether a job's server has been gone for that long, without a break.
  func isGone(_ job: JobID, for patience: Duration, at now: ContinuousClock.Instant = .now) -> Bool {
    since[job].map { now - $0 >= patience } ?? false
  }
}

extension JobReport {
  /// The backend's word of a job whose server is gone.
  static let gone = "gone"

  /// The end of a job whose server is gone.
  static func lost(_ job: Job, with server: String, at time: Date) -> JobReport {
    var report = JobReport(
      backendID: job.submissionToken, mark: Mark(token: job.submissionToken), state: .lost, source: "servers file",
      backendWord: gone,
      reason: "the server is gone: \(server) is not in the servers file and does not answer", outcome: .lost,
      nodes: job.nodes, elapsed: job.elapsed, startedAt: job.startedAt, endedAt: time)
    report.attempt = job.attempt
    return report
  }
}

import ConnectorAPI
import Foundation
import JobModel
import Shell

/// What a job that is looked for is known by.
struct SearchedJob: Sendable {
  let name: String
  let account: String
  let submittedAt: Date
  /// Its id, where that was learnt.
  let backendID: String?
  private let likeness: @Sendable (JobReport) -> Likeness?

  init(_ job: Job) {
    (name, account, submittedAt, backendID) = (job.name, job.account, job.submittedAt, job.backendID)
    likeness = { $0.likeness(to: job) }
  }

  /// One that is being submitted.
  init(_ submission: JobSpec, token: String, submittedAt: Date) {
    (name, account, backendID) = (submission.name, submission.account, nil)
    self.submittedAt = submittedAt
    likeness = { report in
      report.mark?.token == token && (report.account ?? submission.account) == submission.account ? .mark : nil
    }
  }

  /// The one that is most like it; of several the one that was there first, since others are copies.
  func found(in reports: [JobReport]) -> JobReport? {
    let found = reports.compactMap { report in likeness(report).map { (report: report, likeness: $0) } }
    return found.min { one, other in
      if one.likeness != other.likeness { return one.likeness > other.likeness }
      return one.report.precedes(other.report)
    }?.report
  }
}

// Finding one job in every record that Slurm keeps.
extension SlurmConnector {
  public func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? {
    let wanted = SearchedJob(job)
    let deadline = ContinuousClock.now + timeout
    do throws(BackendError) {
      return try await search(for: wanted, as: job.account, timeout: timeout * 2 / 3).found
    } catch {
      // Its key may be gone for good. What the observing account finds is there; that it finds nothing counts only if it
      // is known to see the jobs of that account.
      let answer = try await search(for: wanted, as: configuration.observer, timeout: deadline - .now)
      if let found = answer.found { return found }
      if answer.sawAccount { return nil }
      guard try await showsAllJobs(timeout: deadline - .now) else { throw error }
      return nil
    }
  }

  /// The job in the queue, in slurmctld's memory, or in the records. Nil means that it was never there, or, of a job whose
  /// id is known, that nothing shows it any more.
  /// - Returns: also whether a job of the account was shown at all.
  func search(
    for wanted: SearchedJob, as asker: String, timeout: Duration
  ) async throws(BackendError) -> (found: JobReport?, sawAccount: Bool) {
    let (deadline, asked) = (ContinuousClock.now + timeout, Date())
    let ids = Set([wanted.backendID].compactMap { $0 })
    let queue = try await inQueue(of: wanted.account, ids, as: asker, timeout: timeout)
    if let found = wanted.found(in: queue) { return (found, true) }
    if let id = wanted.backendID {
      let known = try await controllers([id], as: asker, timeout: deadline - .now).map(\.report)
      if let found = wanted.found(in: known) { return (found, true) }
    }
    if let past = try await accounting(filter(for: wanted), as: asker, timeout: deadline - .now) {
      return (wanted.found(in: past.filter { !$0.isUnproven }.map(\.report)), !queue.isEmpty)
    }
    guard wanted.backendID == nil else { return (nil, !queue.isEmpty) }
    // Without accounting an ended job is known for as long as slurmctld remembers it.
    let remembered = try await configuration(as: asker, timeout: deadline - .now).minJobAge
    guard asked.timeIntervalSince(wanted.submittedAt) < remembered - 5 else {
      throw .unavailable("Slurm keeps no accounting, and no longer knows the jobs that ended since the submission")
    }
    return (nil, !queue.isEmpty)
  }

  private func filter(for wanted: SearchedJob) -> [String] {
    if let id = wanted.backendID { return ["--jobs=" + id] }
    // The token says which it is; a day, since the cluster's clock may be another.
    let since = Int(wanted.submittedAt.timeIntervalSince1970) - 86_400
    return [
      "--name=" + JobName.slurm(wanted.name), "--user=" + wanted.account, "--starttime=" + SlurmClock.utc(since),
    ]
  }

  /// Whether Slurm shows every job to every account.
  private func showsAllJobs(timeout: Duration) async throws(BackendError) -> Bool {
    try await configuration(as: configuration.observer, timeout: timeout).showsAllJobs
  }

  private func configuration(as account: String, timeout: Duration) async throws(BackendError) -> SlurmConfiguration {
    let result = try await run(
      SlurmCommand.describing(["scontrol", "show", "config"]), as: account, timeout: timeout)
    guard result.succeeded else { throw asked(SlurmWords.failure(of: "scontrol", result.message)) }
    return SlurmConfiguration(result.text)
  }
}

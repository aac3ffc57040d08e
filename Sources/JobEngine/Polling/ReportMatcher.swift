import ConnectorAPI
import Foundation
import JobModel

/// Finds which report of a poll is of which job, and what it means for the job. The rules that a job's state follows are
/// all here:
///
/// - Ended jobs do not change; only what was not known of the end is added. The exception is an end that nobody has seen
///   (`lost`, or one that an administrator made): what the backend shows later corrects it.
/// - A job ends by what is seen of it. Not being seen is no end; see ``Absences``.
/// - A job that ran and waits again, or runs since a later moment, was requeued: the same job, the next attempt.
struct ReportMatcher {
  struct Change {
    let before: Job
    /// As it was, where the table of transitions refuses what is shown.
    let after: Job
    let report: JobReport
    let refusal: IllegalTransition?

    /// - Parameter identified: the job with the id by which the backend knows it.
    init(_ job: Job, identified: Job? = nil, shownBy report: JobReport, at time: Date) {
      (before, self.report) = (job, report)
      var after = identified ?? job
      do throws(IllegalTransition) {
        try after.apply(.reported(report), at: time)
        refusal = nil
      } catch { refusal = error }
      self.after = after
    }
  }

  let snapshot: Snapshot
  /// The ids of the jobs that were asked about.
  let asked: Set<JobID>

  init(_ snapshot: Snapshot, asked: Set<JobID>) {
    self.snapshot = snapshot
    self.asked = asked
  }

  /// The jobs that it shows, before and after.
  func changes(of jobs: [JobID: Job]) -> [Change] {
    matches(with: jobs).compactMap { key, report in jobs[key].flatMap { change(of: $0, shownBy: report) } }
  }

  /// What a report of a job means for it; nil when what is seen of it does not count.
  func change(of job: Job, shownBy report: JobReport) -> Change? {
    let identified = snapshot.identified(job)
    guard isAwaited(job), report.shows(identified) else { return nil }
    return Change(job, identified: identified, shownBy: report, at: snapshot.time)
  }

  /// The jobs that were asked about, are not over, and of which it should say something and does not.
  func missing(of jobs: [JobID: Job], shown: [Change]) -> [Job] {
    let shown = Set(shown.map(\.before.id))
    return jobs.values.filter { job in
      guard asked.contains(job.id), !shown.contains(job.id), !job.state.isTerminal, let id = job.backendID else {
        return false
      }
      return !snapshot.unchanged.contains(id)
    }
  }

  /// The report of each job.
  private func matches(with jobs: [JobID: Job]) -> [JobID: JobReport] {
    let index = JobIndex(jobs.values.map(snapshot.identified))
    var matches: [JobID: (report: JobReport, likeness: Likeness)] = [:]
    for report in snapshot.reports {
      guard let (job, likeness) = index.job(shownBy: report), isAwaited(job) else { continue }
      let found = (report: report, likeness: likeness)
      if let other = matches[job.id], !isBetter(found, than: other) { continue }
      matches[job.id] = found
    }
    return matches.mapValues(\.report)
  }

  /// Whether what is seen of a job counts. While a submit is under way it does not: the answer says which id is the job's.
  private func isAwaited(_ job: Job) -> Bool {
    if job.lifecycle == .inDoubt(since: nil) { return false }
    return !job.state.isTerminal || job.isCorrectable || asked.contains(job.id)
  }

  private func isBetter(
    _ found: (report: JobReport, likeness: Likeness), than other: (report: JobReport, likeness: Likeness)
  ) -> Bool {
    guard found.report.backendID == other.report.backendID else {
      // The job's id is not known yet. The job was there before each copy of its mark.
      return found.report.precedes(other.report)
    }
    if found.likeness != other.likeness { return found.likeness > other.likeness }
    // Two sources: what adds an exit code to an end says more.
    return found.report.isEnd && found.report.outcome?.exitCode != nil
  }
}

/// Jobs by their tokens and by their ids.
private struct JobIndex {
  private var byToken: [String: Job] = [:]
  /// More than one where the backend was reset and uses its ids again.
  private var byBackendID: [String: [Job]] = [:]

  init(_ jobs: [Job]) {
    for job in jobs {
      byToken[job.submissionToken] = job
      guard let id = job.backendID else { continue }
      // A living job has the first claim to an id.
      byBackendID[id, default: []].insert(job, at: job.state.isTerminal ? byBackendID[id]?.count ?? 0 : 0)
    }
  }

  /// The job that a report shows: that of its mark, or else the one of its id that it is most like.
  func job(shownBy report: JobReport) -> (job: Job, likeness: Likeness)? {
    if let job = report.mark.flatMap({ byToken[$0.token] }), let likeness = report.likeness(to: job) {
      return (job, likeness)
    }
    var best: (job: Job, likeness: Likeness)?
    for job in byBackendID[report.backendID] ?? [] {
      guard let likeness = report.likeness(to: job), best.map({ $0.likeness < likeness }) ?? true else { continue }
      best = (job, likeness)
    }
    return best
  }
}

extension Snapshot {
  /// A job, without its id where that is proven to be another's.
  fileprivate func identified(_ job: Job) -> Job {
    guard strayIDs.contains(job.submissionToken) else { return job }
    var job = job
    job.backendID = nil
    return job
  }
}

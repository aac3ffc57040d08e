import Foundation
import JobModel

/// What an observation means for the jobs that were asked about. The rules that a job's state follows are all here:
///
/// - Ended jobs do not change; only what was not known of the end is added. The exception is an end that nobody has seen
///   (`lost`, or one that an administrator made): what the backend shows later corrects it.
/// - A job ends by what is seen of it. Not being seen is no end; see ``Absences``.
/// - A job that ran and waits again, or runs since a later moment, was requeued: the same job, the next attempt.
struct Evidence {
  struct Change {
    let before: Job
    let after: Job
    let sighting: Sighting
  }

  let observation: Observation
  /// The ids of the jobs that were asked about.
  let asked: Set<String>

  init(_ observation: Observation, asked: Set<String>) {
    self.observation = observation
    self.asked = asked
  }

  /// The jobs that it shows, before and after.
  func changes(of jobs: [JobKey: Job]) -> [Change] {
    matches(with: jobs).compactMap { key, sighting in
      jobs[key].map { Change(before: $0, after: $0.updated(by: sighting, at: observation.time), sighting: sighting) }
    }
  }

  /// The jobs that were asked about, are not over, and of which it should say something and does not.
  func missing(of jobs: [JobKey: Job], shown: [Change]) -> [Job] {
    let shown = Set(shown.map(\.before.id))
    return jobs.values.filter { job in
      guard asked.contains(job.id), !shown.contains(job.id), !job.state.isTerminal, let id = job.backendID else {
        return false
      }
      return !observation.unchanged.contains(id)
    }
  }

  /// The sighting of each job. Of several with its mark, as the tasks of an array have, the one with its id is it; the
  /// id that a submit answered may be wrong, so that without such a one the lowest is.
  private func matches(with jobs: [JobKey: Job]) -> [JobKey: Sighting] {
    var byToken: [String: JobKey] = [:]
    // More than one where the backend was reset and gives its ids out anew.
    var byBackendID: [String: [JobKey]] = [:]
    for (key, job) in jobs where !job.state.isTerminal || job.isCorrectable || asked.contains(job.id) {
      byToken[job.submissionToken] = key
      guard let id = job.backendID else { continue }
      // A living job has the first claim to an id.
      byBackendID[id, default: []].insert(key, at: job.state.isTerminal ? byBackendID[id]?.count ?? 0 : 0)
    }
    var matches: [JobKey: Sighting] = [:]
    for sighting in observation.sightings {
      let keys = sighting.mark.map { byToken[$0.token].map { [$0] } } ?? byBackendID[sighting.backendID]
      guard let key = keys?.first(where: { jobs[$0].map(sighting.shows) ?? false }), let job = jobs[key] else {
        continue
      }
      if let other = matches[key], !isBetter(sighting, than: other, for: job) { continue }
      matches[key] = sighting
    }
    return matches
  }

  private func isBetter(_ sighting: Sighting, than other: Sighting, for job: Job) -> Bool {
    if sighting.backendID == other.backendID {
      // Two sources: what adds an exit code to an end says more.
      return sighting.state.isTerminal && sighting.exitCode != nil
    }
    if other.backendID == job.backendID { return false }
    if sighting.backendID == job.backendID { return true }
    return sighting.backendID.compare(other.backendID, options: .numeric) == .orderedAscending
  }
}

/// A job as readers are to see it.
public struct JobView: Sendable, Equatable {
  /// The job as it was last seen.
  public let lastKnown: Job
  /// Its state; `unknown` while what would show it cannot be asked or does not show it.
  public let state: JobState
  /// When it was last known, while its state is not.
  public let unknownSince: Date?
}

extension JobService {
  /// A job as readers are to see it now: with its last state, or as unknown while nobody can tell.
  public func view(of job: Job) -> JobView {
    guard !job.state.isTerminal else { return JobView(lastKnown: job, state: job.state, unknownSince: nil) }
    let status = observer.status
    var since = job.unknownSince
    if status.failure != nil || status.lastComplete == nil {
      let last = status.lastCompleteTime.map { max($0, job.stateTime) } ?? job.stateTime
      since = since.map { min($0, last) } ?? last
    }
    return JobView(lastKnown: job, state: since == nil ? job.state : .unknown, unknownSince: since)
  }

  /// Seconds that a job has run: as the backend said last, and the time since then while it is seen to run. Time in
  /// which nobody sees it run is not made up.
  public func elapsed(of job: Job) -> Int {
    guard job.state == .running || job.state == .canceling, job.startedAt != nil, view(of: job).unknownSince == nil,
      let seen = ledger.table.read({ $0.timelines[job.key]?.seen })
    else { return job.elapsed }
    return job.elapsed + Int((configuration.clock.now - seen).components.seconds)
  }
}

import Foundation

/// What an observation means for the jobs that were asked about. The rules that a job's state follows are all here:
///
/// - What is over stays as it is; only what was not known of its end is added.
/// - A job ends by what is seen of it. Not being seen is no end, until it was not seen for long enough in observations
///   that were all complete.
/// - A job that ran and waits again, or runs since a later moment, was requeued: the same job, the next attempt.
struct Evidence {
  let observation: Observation
  let asked: Set<JobKey>
  /// Seconds.
  let lostAfter: TimeInterval
  /// Whether the observation before this one was complete as well.
  let unbroken: Bool

  init(_ observation: Observation, asked: Set<JobKey>, lostAfter: TimeInterval, unbroken: Bool) {
    self.observation = observation
    self.asked = asked
    self.lostAfter = lostAfter
    self.unbroken = unbroken
  }

  /// The jobs of which it says something, before and after.
  func changes(of jobs: [JobKey: Job]) -> [(before: Job, after: Job)] {
    let shown = matches(with: jobs)
    var changes: [(before: Job, after: Job)] = []
    for (key, sighting) in shown {
      guard let before = jobs[key] else { continue }
      changes.append((before, before.updated(by: sighting, at: observation.time)))
    }
    for key in asked where shown[key] == nil {
      guard let before = jobs[key], !before.state.isTerminal, let id = before.backendID,
        !observation.unchanged.contains(id)
      else { continue }
      changes.append((before, missed(before)))
    }
    return changes
  }

  /// The sighting of each job. Of several with its mark, as the tasks of an array have, the one with its id is it; the
  /// id that a submit answered may be wrong, so that without such a one the lowest is.
  private func matches(with jobs: [JobKey: Job]) -> [JobKey: Sighting] {
    var byToken: [String: JobKey] = [:]
    // More than one where the backend was reset and gives its ids out anew.
    var byBackendID: [String: [JobKey]] = [:]
    for (key, job) in jobs where !job.state.isTerminal || asked.contains(key) {
      byToken[job.submissionToken] = key
      if let id = job.backendID { byBackendID[id, default: []].append(key) }
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

  private func missed(_ before: Job) -> Job {
    var job = before
    job.unknownSince = before.unknownSince ?? observation.time
    // Another look asks about it.
    if let id = before.backendID, observation.unasked.contains(id) { return job }
    let isReachable = before.backendID.map { observation.unreachable[$0] == nil } ?? true
    guard observation.accountingFailure == nil, isReachable else {
      job.missingSince = nil
      return job
    }
    let since = unbroken ? before.missingSince ?? observation.time : observation.time
    job.missingSince = since
    guard observation.time.timeIntervalSince(since) >= lostAfter else { return job }
    let answer = before.backendID.flatMap { observation.answers[$0] } ?? "no record of it"
    job.state = .lost
    job.stateSource = "weir"
    job.stateTime = observation.time
    job.ending = .lost
    job.endedAt = observation.time
    job.unknownSince = nil
    job.reason = "not in the queue since \(since.formatted(.iso8601)), and nothing says how it ended: \(answer)"
    return job
  }
}

extension Job {
  /// This job with what a sighting says of it.
  func updated(by sighting: Sighting, at time: Date) -> Job {
    guard !state.isTerminal else { return amended(by: sighting) }
    if let shown = sighting.attempt, shown != attempt, fingerprint.hasPrefix(Self.adoptedFingerprint) == false {
      // A store that was put back from a backup holds a job for waiting whose later attempt has run.
      guard shown > attempt, [.queued, .held, .starting, .canceling].contains(state) else { return self }
    }
    var job = self
    let canceling = state == .canceling && !sighting.state.isTerminal
    let again = sighting.attempt == nil && isNextAttempt(sighting)
    if let shown = sighting.attempt { job.attempt = shown }
    if let devices = sighting.devices { job.devices = devices }
    if job.needs == nil { job.needs = sighting.needs }
    job.backendID = sighting.backendID
    // A cancel that was asked for stands until the end is seen.
    job.state = canceling ? .canceling : sighting.state
    if !canceling { job.stateSource = sighting.source }
    job.stateTime = time
    job.backendWord = sighting.backendWord
    // Who asked for it is known better here than there.
    if !canceling, state != .canceling || sighting.ending != .canceled { job.reason = sighting.reason }
    if again {
      job.attempt += 1
      if !canceling { job.reason = "requeued: attempt \(job.attempt)" + (job.reason.isEmpty ? "" : "; \(job.reason)") }
    } else if sighting.state == state, attempt > 1, reason.hasPrefix("requeued: "), sighting.reason.isEmpty {
      job.reason = reason
    }
    job.ending = sighting.ending
    job.exitCode = sighting.exitCode
    job.signal = sighting.signal
    if !sighting.nodes.isEmpty || !sighting.state.isTerminal { job.nodes = sighting.nodes }
    job.elapsed = sighting.elapsed
    // While a requeued job is taken off its nodes, Slurm shows the moment of the requeue as its start.
    if !sighting.isCompleting || startedAt == nil { job.startedAt = sighting.startedAt }
    if sighting.state.waits { job.startedAt = nil }
    job.endedAt = sighting.state.isTerminal ? sighting.endedAt ?? time : nil
    job.missingSince = nil
    job.unknownSince = nil
    return job
  }

  /// Whether a sighting shows a later run than the one that was seen to start.
  private func isNextAttempt(_ sighting: Sighting) -> Bool {
    guard startedAt != nil || state == .running || state == .suspended else { return false }
    switch sighting.state {
    case .queued, .held, .requeued: return true
    case .starting: return state != .starting && sighting.startedAt != startedAt
    case .running, .suspended:
      guard !sighting.isCompleting, state != .starting, let startedAt, let later = sighting.startedAt else {
        return false
      }
      return later > startedAt
    default: return false
    }
  }

  /// This job, which is over, with what was not known of its end.
  private func amended(by sighting: Sighting) -> Job {
    guard sighting.ending == ending, sighting.backendID == backendID else { return self }
    var job = self
    if exitCode == nil { (job.exitCode, job.signal) = (sighting.exitCode, sighting.signal) }
    if !sighting.reason.isEmpty, ending != .canceled || reason.isEmpty { job.reason = sighting.reason }
    if job != self { job.stateSource = sighting.source }
    return job
  }

  /// Whether the other is this job, over, with more known of its end.
  func isAmended(by other: Job) -> Bool { state.isTerminal && other.state == state && exitCode != other.exitCode }

  /// Whether its end is known and how it ended is not yet: the queue tells the first, accounting both, but later. It is
  /// asked for ten minutes in which it can answer, within a day.
  func lacksExitCode(at now: Date, accountingSince: Date) -> Bool {
    guard state.isTerminal, state != .lost, backendID != nil, exitCode == nil, let endedAt else { return false }
    return (6...86_400).contains(now.timeIntervalSince(endedAt))
      && now.timeIntervalSince(max(endedAt, accountingSince)) <= 600
  }
}

extension JobState {
  /// Whether the job, or its next attempt, has still to begin.
  fileprivate var waits: Bool { self == .queued || self == .held || self == .requeued }
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
}

import Foundation

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
      jobs[key].map { job in
        let after = observation.identified(job).updated(by: sighting, at: observation.time)
        return Change(before: job, after: after, sighting: sighting)
      }
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

  /// The sighting of each job.
  private func matches(with jobs: [JobKey: Job]) -> [JobKey: Sighting] {
    let index = JobIndex(jobs.values.map(observation.identified))
    var matches: [JobKey: (sighting: Sighting, likeness: Likeness)] = [:]
    for sighting in observation.sightings {
      guard let (job, likeness) = index.job(shownBy: sighting), isAwaited(job) else { continue }
      let found = (sighting: sighting, likeness: likeness)
      if let other = matches[job.key], !isBetter(found, than: other) { continue }
      matches[job.key] = found
    }
    return matches.mapValues(\.sighting)
  }

  /// Whether what is seen of a job counts. While a submit is under way it does not: the answer says which id is the job's.
  private func isAwaited(_ job: Job) -> Bool {
    if job.state == .submitting, job.missingSince == nil { return false }
    return !job.state.isTerminal || job.isCorrectable || asked.contains(job.id)
  }

  private func isBetter(
    _ found: (sighting: Sighting, likeness: Likeness), than other: (sighting: Sighting, likeness: Likeness)
  ) -> Bool {
    guard found.sighting.backendID == other.sighting.backendID else {
      // The job's id is not known yet. The job was there before each copy of its mark.
      return found.sighting.precedes(other.sighting)
    }
    if found.likeness != other.likeness { return found.likeness > other.likeness }
    // Two sources: what adds an exit code to an end says more.
    return found.sighting.state.isTerminal && found.sighting.exitCode != nil
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

  /// The job that a sighting shows: that of its mark, or else the one of its id that it is most like.
  func job(shownBy sighting: Sighting) -> (job: Job, likeness: Likeness)? {
    if let job = sighting.mark.flatMap({ byToken[$0.token] }), let likeness = sighting.likeness(to: job) {
      return (job, likeness)
    }
    var best: (job: Job, likeness: Likeness)?
    for job in byBackendID[sighting.backendID] ?? [] {
      guard let likeness = sighting.likeness(to: job), best.map({ $0.likeness < likeness }) ?? true else { continue }
      best = (job, likeness)
    }
    return best
  }
}

extension Observation {
  /// A job, without its id where that is proven to be another's.
  fileprivate func identified(_ job: Job) -> Job {
    guard strayIDs.contains(job.submissionToken) else { return job }
    var job = job
    job.backendID = nil
    return job
  }
}

extension Job {
  /// This job with what a sighting says of it.
  func updated(by sighting: Sighting, at time: Date) -> Job {
    if let shown = sighting.attempt, shown != attempt, !isAdopted, !state.isTerminal || isCorrectable {
      // A store that was put back from a backup holds a job for waiting whose later attempt has run.
      guard shown > attempt, [.queued, .held, .starting, .canceling].contains(state) else { return self }
    }
    guard !state.isTerminal else {
      return isCorrectable && sighting.ending != ending ? corrected(by: sighting, at: time) : amended(by: sighting)
    }
    var job = self
    let canceling = state == .canceling && !sighting.state.isTerminal
    let again = sighting.attempt == nil && isNextAttempt(sighting)
    if let shown = sighting.attempt { job.attempt = shown }
    if let devices = sighting.devices { job.devices = devices }
    if job.needs == nil { job.needs = sighting.needs }
    // What a submit answered stays.
    if job.backendID == nil { job.backendID = sighting.backendID }
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
    // An end of which nobody knows when it was leaves what was seen.
    if sighting.elapsed > 0 || !sighting.state.isTerminal { job.elapsed = sighting.elapsed }
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

  /// Whether it is over though nobody has seen it end: then what the backend shows of it later is the truth.
  var isCorrectable: Bool { state == .lost || state.isTerminal && stateSource == Self.administrator }

  /// The source of an end that an administrator made by hand.
  static let administrator = "administrator"

  /// This job, whose end nobody has seen, with what a sighting shows of it instead.
  private func corrected(by sighting: Sighting, at time: Date) -> Job {
    var open = self
    open.state = startedAt == nil ? .queued : .running
    (open.ending, open.endedAt, open.exitCode, open.signal) = (nil, nil, nil, nil)
    var job = open.updated(by: sighting, at: time)
    let since = endedAt.map { " since \($0.formatted(.iso8601))" } ?? ""
    job.reason = "found again: it was \(state.rawValue)\(since)" + (job.reason.isEmpty ? "" : "; \(job.reason)")
    return job
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

  /// Seconds that a job has run: as the backend said last, and the time since then while it is seen to run. Time in
  /// which nobody sees it run is not made up.
  public func elapsed(of job: Job) -> Int {
    guard job.state == .running || job.state == .canceling, job.startedAt != nil, view(of: job).unknownSince == nil,
      let seen = ledger.table.read({ $0.timelines[job.key]?.seen })
    else { return job.elapsed }
    return job.elapsed + Int((configuration.clock.now - seen).components.seconds)
  }
}

import Foundation

extension Job {
  /// This job with what a sighting says of it.
  func reported(_ sighting: Sighting, at time: Date) -> Job {
    if let shown = sighting.attempt, shown != attempt, !isAdopted, !state.isTerminal || isCorrectable {
      // A store that was put back from a backup holds a job for waiting whose later attempt has run.
      guard shown > attempt, [.queued, .held, .starting, .canceling].contains(state) else { return self }
    }
    guard !state.isTerminal else {
      return isCorrectable && !tellsOfSameEnd(sighting) ? corrected(by: sighting, at: time) : amended(by: sighting)
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
    job.lifecycle = canceling ? .canceling : sighting.lifecycle
    job.contact = Contact(seenAt: time, source: canceling ? contact.source : sighting.source)
    job.backendWord = sighting.backendWord
    // Who asked for it is known better here than there.
    if !canceling, state != .canceling || sighting.outcome?.result != .canceled { job.reason = sighting.reason }
    if again {
      job.attempt += 1
      if !canceling { job.reason = "requeued: attempt \(job.attempt)" + (job.reason.isEmpty ? "" : "; \(job.reason)") }
    } else if sighting.state == state, attempt > 1, reason.hasPrefix("requeued: "), sighting.reason.isEmpty {
      job.reason = reason
    }
    if !sighting.nodes.isEmpty || !sighting.state.isTerminal { job.nodes = sighting.nodes }
    // An end of which nobody knows when it was leaves what was seen.
    if sighting.elapsed > 0 || !sighting.state.isTerminal { job.elapsed = sighting.elapsed }
    // While a requeued job is taken off its nodes, Slurm shows the moment of the requeue as its start.
    if !sighting.isCompleting || startedAt == nil { job.startedAt = sighting.startedAt }
    if sighting.state.waits { job.startedAt = nil }
    job.endedAt = sighting.state.isTerminal ? sighting.endedAt ?? time : nil
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
    guard let outcome, let shown = sighting.outcome, tellsOfSameEnd(sighting), sighting.backendID == backendID else {
      return self
    }
    var job = self
    if outcome.exitCode == nil {
      job.lifecycle = .ended(outcome.with(exitCode: shown.exitCode, signal: shown.signal))
    }
    if !sighting.reason.isEmpty, outcome.result != .canceled || reason.isEmpty { job.reason = sighting.reason }
    if job != self { job.contact.source = sighting.source }
    return job
  }

  private func tellsOfSameEnd(_ sighting: Sighting) -> Bool {
    guard let outcome, let shown = sighting.outcome else { return false }
    return outcome.agrees(with: shown)
  }

  /// Whether both jobs have ended in the same way, or neither has ended.
  public func hasSameEnd(as other: Job) -> Bool {
    guard let outcome, let other = other.outcome else { return self.outcome == nil && other.outcome == nil }
    return outcome.agrees(with: other)
  }

  /// Whether the other is this job, over, with more known of its end.
  public func isAmended(by other: Job) -> Bool {
    state.isTerminal && other.state == state && outcome?.exitCode != other.outcome?.exitCode
  }

  /// Whether it is over though nobody has seen it end: then what the backend shows of it later is the truth.
  public var isCorrectable: Bool { state == .lost || state.isTerminal && contact.source == Self.administrator }

  /// The source of an end that an administrator made by hand.
  public static let administrator = "administrator"

  /// This job, whose end nobody has seen, with what a sighting shows of it instead.
  private func corrected(by sighting: Sighting, at time: Date) -> Job {
    var open = self
    open.lifecycle = startedAt == nil ? .queued : .running
    open.endedAt = nil
    var job = open.reported(sighting, at: time)
    let since = endedAt.map { " since \($0.formatted(.iso8601))" } ?? ""
    job.reason = "found again: it was \(state.rawValue)\(since)" + (job.reason.isEmpty ? "" : "; \(job.reason)")
    return job
  }
}

extension JobState {
  /// Whether the job, or its next attempt, has still to begin.
  fileprivate var waits: Bool { self == .queued || self == .held || self == .requeued }
}

extension Job {
  /// What the fingerprint of an adopted job begins with; the mark's digest of the content follows.
  public static let adoptedFingerprint = "adopted:"

  /// Whether it was made from what the backend showed of it, and not by a submit.
  public var isAdopted: Bool { fingerprint.hasPrefix(Self.adoptedFingerprint) }
}

import Foundation

extension Job {
  /// This job with what a report says of it.
  func reported(_ report: JobReport, at time: Date) -> Job {
    if let shown = report.attempt, shown != attempt, !isAdopted, !state.isTerminal || isCorrectable {
      // A store that was put back from a backup holds a job for waiting whose later attempt has run.
      guard shown > attempt, [.queued, .held, .starting, .canceling].contains(state) else { return self }
    }
    guard !state.isTerminal else {
      return isCorrectable && !tellsOfSameEnd(report) ? corrected(by: report, at: time) : amended(by: report)
    }
    var job = self
    let canceling = state == .canceling && !report.isEnd
    let again = report.attempt == nil && isNextAttempt(report)
    if let shown = report.attempt { job.attempt = shown }
    if let devices = report.devices { job.devices = devices }
    if job.resources == nil { job.resources = report.resources }
    // What a submit answered stays.
    if job.backendID == nil { job.backendID = report.backendID }
    // A cancel that was asked for stands until the end is seen.
    job.lifecycle = canceling ? .canceling : lifecycle(after: report, at: time)
    job.contact = Contact(
      seenAt: time, source: canceling ? contact.source : report.source,
      unreachableSince: report.lifecycle == nil ? contact.unreachableSince ?? time : nil)
    job.backendWord = report.backendWord
    // Who asked for it is known better here than there.
    if !canceling, state != .canceling || report.outcome?.result != .canceled { job.reason = report.reason }
    if again {
      job.attempt += 1
      if !canceling { job.reason = "requeued: attempt \(job.attempt)" + (job.reason.isEmpty ? "" : "; \(job.reason)") }
    } else if report.state == state, attempt > 1, reason.hasPrefix("requeued: "), report.reason.isEmpty {
      job.reason = reason
    }
    if !report.nodes.isEmpty || report.lifecycle != nil && !report.isEnd { job.nodes = report.nodes }
    // What says nothing of the state says nothing of its times.
    guard report.lifecycle != nil else { return job }
    // An end of which nobody knows when it was leaves what was seen.
    if report.elapsed > 0 || !report.isEnd { job.elapsed = report.elapsed }
    // While a requeued job is taken off its nodes, Slurm shows the moment of the requeue as its start.
    if !report.isCompleting || startedAt == nil { job.startedAt = report.startedAt }
    if job.state.waits { job.startedAt = nil }
    job.endedAt = report.isEnd ? report.endedAt ?? time : nil
    return job
  }

  /// Where a job stands that is not being canceled, after a report; what the report does not say stays.
  private func lifecycle(after report: JobReport, at time: Date) -> Lifecycle {
    switch (lifecycle, report.lifecycle) {
    // Something of it is on a machine: it is not to be started again.
    case (.starting, nil): .running
    case (.inDoubt, nil), (.queued, nil), (.held, nil):
      if !report.nodes.isEmpty {
        .running
      } else if case .inDoubt = lifecycle {
        .queued(since: time)
      } else {
        lifecycle
      }
    case (_, nil): lifecycle
    case (.queued, .queued(since: nil)), (.held, .held(by: nil)): lifecycle
    case (_, .queued(since: nil)): .queued(since: time)
    case (_, let reported?): reported
    }
  }

  /// Whether a report shows a later run than the one that was seen to start.
  private func isNextAttempt(_ report: JobReport) -> Bool {
    guard startedAt != nil || state == .running || state == .suspended else { return false }
    switch report.state {
    case .queued, .held, .requeued: return true
    case .starting: return state != .starting && report.startedAt != startedAt
    case .running, .suspended:
      guard !report.isCompleting, state != .starting, let startedAt, let later = report.startedAt else {
        return false
      }
      return later > startedAt
    default: return false
    }
  }

  /// This job, which is over, with what was not known of its end.
  private func amended(by report: JobReport) -> Job {
    guard let outcome, let shown = report.outcome, tellsOfSameEnd(report), report.backendID == backendID else {
      return self
    }
    var job = self
    if outcome.exitCode == nil {
      job.lifecycle = .ended(outcome.with(exitCode: shown.exitCode, signal: shown.signal))
    }
    if !report.reason.isEmpty, outcome.result != .canceled || reason.isEmpty { job.reason = report.reason }
    if job != self { job.contact.source = report.source }
    return job
  }

  private func tellsOfSameEnd(_ report: JobReport) -> Bool {
    guard let outcome, let shown = report.outcome else { return false }
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

  /// This job, whose end nobody has seen, with what a report shows of it instead.
  private func corrected(by report: JobReport, at time: Date) -> Job {
    var open = self
    open.lifecycle = startedAt == nil ? .queued(since: nil) : .running
    open.endedAt = nil
    var job = open.reported(report, at: time)
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

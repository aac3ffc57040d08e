import ConnectorAPI
import Foundation
import JobModel

/// What is known of a server right now: written by its ``ServerController``, read by everybody.
struct ServerStatus: Sendable {
  /// What was found when the server was made ready; nil until then, and after it stopped answering.
  var facts: PrepareAnswer?
  /// Why it does not answer; nil when it does.
  var failure: String?
  /// Until when it gets no new jobs, since several could not be started on it, and why.
  var quarantine: (until: ContinuousClock.Instant, reason: String)?
  /// Seconds by which its clock is ahead of ours.
  var skew: TimeInterval = 0
  /// When the last look at all of its jobs began that was answered in full.
  var lastLook: ContinuousClock.Instant?
  /// From the beginning of that look to that of the next, as long as it will take: looks that cost much are seldom.
  var lookInterval = Duration.zero
  /// The jobs of which the last look found nothing.
  var missing: Set<JobID> = []
  /// The attempts whose records cannot be understood, and what is known of each.
  var damaged: [AttemptID: String] = [:]
  /// Why no job can start there though it answers: its job root belongs to another Weir.
  var foreignOwner: String?
  /// Jobs that have a directory there and are none of those that were given to it: the store was lost, or they ended.
  var strangers: [AttemptID: Stranger] = [:]
  /// Whether the jobs there have been listed since the server was last reached.
  var isListed = false
  /// Whether it has answered, or failed to, at least once.
  var isTried = false

  struct Stranger: Sendable {
    var report: JobReport
    /// Whether it holds what it holds still.
    var isLive: Bool
    var seen: ContinuousClock.Instant
  }

  var isQuarantined: Bool { quarantine.map { $0.until > .now } ?? false }

  /// Whether what the last look showed still counts: two may be late before the jobs are unknown.
  /// - Parameter least: for how long it counts in any case.
  func isCurrent(least: Duration, at now: ContinuousClock.Instant = .now) -> Bool {
    guard let lastLook, failure == nil else { return false }
    return now - lastLook < max(least, lookInterval * 3)
  }

  /// Why no new job can start there; nil when one can.
  func obstacle(at now: ContinuousClock.Instant = .now) -> String? {
    if let failure { return failure }
    guard facts != nil, isListed else { return "it is being prepared" }
    if let foreignOwner { return foreignOwner }
    if let quarantine, quarantine.until > now { return quarantine.reason }
    return nil
  }
  /// Notes of which attempts the records are damaged.
  /// - Parameter known: the attempts of the server's jobs; of others only strangers count.
  /// - Returns: what was not known before.
  mutating func noteDamage(_ answer: SweepAnswer, known: Set<AttemptID>) -> [AttemptID: String] {
    let before = damaged
    for (id, state) in answer.attempts {
      if case .damaged(let record, let pids) = state {
        damaged[id] = AttemptState.words(record, pids)
      } else {
        damaged[id] = nil
      }
    }
    damaged = damaged.filter { known.contains($0.key) || strangers[$0.key] != nil }
    return damaged.filter { before[$0.key] == nil }
  }

  /// Of which jobs nothing is known, with the first few by name; nil when there is none.
  var damageWords: String? {
    guard !damaged.isEmpty else { return nil }
    let shown = damaged.sorted { $0.key.job < $1.key.job }.prefix(10).map { "job \($0.key.job): \($0.value)" }
    let more = damaged.count > shown.count ? "; and \(damaged.count - shown.count) more" : ""
    return "records of jobs are damaged: " + shown.joined(separator: "; ") + more
  }
}

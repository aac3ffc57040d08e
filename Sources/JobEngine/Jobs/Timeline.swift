import Foundation
import JobModel

/// Moments in a job's life by the monotonic clock, from which every interval that decides something is measured.
///
/// They live as long as the program: after a restart all intervals begin again, which is the safe side of each.
struct Timeline: Sendable, Equatable {
  /// When its submission was written down, or, after a restart, read.
  let known: ContinuousClock.Instant
  /// When it came into its present state, as far as this program knows.
  var entered: ContinuousClock.Instant
  /// When the backend last showed it.
  var seen: ContinuousClock.Instant?
  /// Whether it was then over but for what is cleared up after it.
  var isCompleting = false
  /// Since when nothing that could be asked shows it.
  var unknown: ContinuousClock.Instant?
  /// Whether accounting may still be asked for the exit code of a job that is over.
  var mayLackCode = true

  init(known: ContinuousClock.Instant) { (self.known, entered) = (known, known) }

  /// This timeline, of a job that was read from the store.
  init(read job: Job, at now: ContinuousClock.Instant, date: Date) {
    self.init(known: now)
    if job.contact.unreachableSince != nil { unknown = now }
    // Codes of jobs that ended long ago are not asked for again at each start. A step of the calendar, or a cluster of
    // another time, is not long.
    mayLackCode = job.endedAt.map { date.timeIntervalSince($0) < 7200 } ?? true
  }

  /// Takes in what has become of the job.
  /// - Parameter report: what showed it, if something did.
  mutating func follow(from before: Job, to after: Job, report: JobReport?, at now: ContinuousClock.Instant) {
    if before.state != after.state {
      entered = now
      mayLackCode = true
    }
    if let report { (seen, isCompleting) = (now, report.isCompleting) }
    unknown = after.contact.unreachableSince == nil ? nil : unknown ?? now
  }

  /// Whether it is over, how it ended is not known in full yet, and accounting can tell it now: the queue tells the first,
  /// accounting both, but some seconds later.
  /// - Parameter accountingSince: since when accounting answers, as far as that is known.
  func lacksExitCode(
    _ job: Job, at now: ContinuousClock.Instant, accountingSince: ContinuousClock.Instant
  ) -> Bool {
    now - entered >= .seconds(6) && awaitsExitCode(job, at: now, accountingSince: accountingSince)
  }

  /// The same, or accounting can tell it soon. It is asked for ten minutes in which it can answer, within a day.
  func awaitsExitCode(
    _ job: Job, at now: ContinuousClock.Instant, accountingSince: ContinuousClock.Instant
  ) -> Bool {
    guard mayLackCode, job.state.isTerminal, job.state != .lost, job.backendID != nil, job.outcome?.exitCode == nil
    else {
      return false
    }
    return now - entered <= .seconds(86_400) && now - max(entered, accountingSince) <= .seconds(600)
  }
}

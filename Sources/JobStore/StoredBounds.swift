import Foundation
import JobModel

/// Bounds of what the store takes. A time that SQLite's text form cannot hold would make its row unreadable, and a
/// number or text without a bound would be the sender's to choose.
package enum StoredBounds {
  /// Seconds since 1970 of the first and the last time: to the last second of the year 9999.
  package static let seconds: ClosedRange<TimeInterval> = 0...253_402_300_799
  /// Bound of every count, and of the seconds that a job has run.
  package static let count = 1 << 31
  /// Bound of what is counted one by one for as long as the store lives.
  package static let number = 1 << 53
  package static let exitCodes = Int(Int32.min)...Int(Int32.max)
  /// Bytes of a reason.
  package static let reason = 4096
  /// Bytes of a backend's word, a source's name, an actor's name.
  package static let word = 256
  /// Names of machines of one job.
  package static let nodes = 65_536

  package static func holds(_ time: Date) -> Bool { seconds.contains(time.timeIntervalSince1970) }

  /// The beginning of a text, cut between two characters.
  package static func cut(_ text: String, to limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var end = text.utf8.index(text.startIndex, offsetBy: limit - 3)
    while end > text.startIndex, end.samePosition(in: text) == nil { end = text.utf8.index(before: end) }
    return text[..<end] + "…"
  }
}

extension Date {
  /// This time, or the nearest one that the store holds; of what is no number the last, since by times that are stored
  /// something is removed.
  package var stored: Date {
    let (first, last) = (StoredBounds.seconds.lowerBound, StoredBounds.seconds.upperBound)
    let seconds = timeIntervalSince1970
    if StoredBounds.holds(self) { return self }
    return Date(timeIntervalSince1970: seconds < first ? first : last)
  }
}

extension Job {
  /// This job as the store takes it: without times and numbers that nobody can have measured, its texts cut.
  /// - Parameter now: what is put in the place of times that a job must have.
  package func bounded(at now: Date) -> Job {
    var job = self
    if !StoredBounds.holds(contact.seenAt) { job.contact.seenAt = now }
    if !StoredBounds.holds(submittedAt) { job.submittedAt = now }
    job.startedAt = startedAt.flatMap { StoredBounds.holds($0) ? $0 : nil }
    job.contact.unreachableSince = contact.unreachableSince.flatMap { StoredBounds.holds($0) ? $0 : nil }
    // What is over has an end.
    if let endedAt, !StoredBounds.holds(endedAt) { job.endedAt = job.contact.seenAt }
    job.elapsed = min(max(0, elapsed), StoredBounds.count)
    job.attempt = min(max(1, attempt), StoredBounds.count)
    job.priority = min(max(-StoredBounds.count, priority), StoredBounds.count)
    if reason.utf8.count > StoredBounds.reason { job.reason = StoredBounds.cut(reason, to: StoredBounds.reason) }
    job.contact.source = StoredBounds.cut(contact.source, to: StoredBounds.word)
    job.backendWord = backendWord.map { StoredBounds.cut($0, to: StoredBounds.word) }
    if nodes.count > StoredBounds.nodes { job.nodes = Array(nodes.prefix(StoredBounds.nodes)) }
    return job
  }
}

extension JobEvent {
  /// This event as the store takes it.
  package func bounded(at now: Date) -> JobEvent {
    var event = JobEvent(
      job: job, time: StoredBounds.holds(time) ? time : now,
      actor: StoredBounds.cut(actor, to: 4 * StoredBounds.word), from: from, to: to,
      source: StoredBounds.cut(source, to: StoredBounds.word),
      reason: StoredBounds.cut(reason, to: StoredBounds.reason))
    event.number = number
    return event
  }
}

import Foundation

/// By what a report is known to show a job; the weakest first.
public enum Likeness: Comparable, Sendable {
  /// By its id, its account and the time of its submit: its user changed the mark and the name.
  case place
  /// By its name as well; there is no mark.
  case name
  /// By its mark.
  case mark
}

extension JobReport {
  /// By what this is known to be that job; nil when it is another.
  ///
  /// A job whose id is known is that of this id and no other: its user can put its mark on other jobs, and take it off
  /// this one. The id alone is not enough, since a backend that was reset uses its ids again. A mark under another account
  /// is a copy of somebody else.
  public func likeness(to job: Job) -> Likeness? {
    if let account, account != job.account { return nil }
    let isMarked = mark?.token == job.submissionToken
    if isMarkProven, !isMarked { return nil }
    guard let id = job.backendID else { return isMarked ? .mark : nil }
    guard backendID == id else { return nil }
    if isMarked { return .mark }
    let times = job.submitTimes
    if mark == nil, name == job.name { return submittedAt.map { $0 >= times.lowerBound } ?? true ? .name : nil }
    guard account != nil, submittedAt.map(times.contains) ?? false else { return nil }
    // An end before the start, both by the backend's clock, is that of an earlier job of this id.
    if let endedAt, let startedAt = job.startedAt, endedAt < startedAt { return nil }
    return .place
  }

  public func shows(_ job: Job) -> Bool { likeness(to: job) != nil }

  /// Whether its id was given out before that of the other, where ids are numbers that grow.
  public func precedes(_ other: JobReport) -> Bool {
    (backendID.utf8.count, backendID) < (other.backendID.utf8.count, other.backendID)
  }
}

extension Job {
  /// When the backend may say that it was submitted, or submitted again by a requeue, which comes after it was last seen.
  /// What was submitted at another time is an earlier or a later job of the same id. Clocks may differ by two hours.
  public var submitTimes: ClosedRange<Date> {
    let difference: TimeInterval = 7200
    let latest = state.isTerminal ? submittedAt : max(submittedAt, contact.seenAt)
    return submittedAt - difference...latest + difference
  }
}

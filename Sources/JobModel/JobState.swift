/// Where a job stands, in DRMAA2's words with the gaps filled.
///
/// A state is what the backend said last; ``Job/contact`` says how old that is. While the backend cannot be asked, or uses
/// a word that Weir does not know, readers are shown `unknown` with the last known state; that is no state of its own.
public enum JobState: String, Sendable, Codable, CaseIterable {
  /// The row is written, the backend has not confirmed the job yet.
  case submitting
  /// Waits for a release by somebody.
  case held
  case queued
  /// Machines are allocated and being prepared.
  case starting
  case running
  case suspended
  /// Went back to the queue; the next run is a new attempt of the same job.
  case requeued
  /// A cancel was asked for and the job is not proven gone yet.
  case canceling
  case succeeded
  case failed
  case canceled
  /// Complete observations no longer show the job and nothing says how it ended.
  case lost

  /// Terminal states are immutable.
  public var isTerminal: Bool {
    switch self {
    case .succeeded, .failed, .canceled, .lost: true
    default: false
    }
  }
}

/// The two lists of living jobs that the upstream polls.
public enum JobList: String, Sendable, CaseIterable {
  case queued
  case running
}

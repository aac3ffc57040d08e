/// Where a job stands, in DRMAA2's words with the gaps filled.
///
/// A state is what evidence said last; how old that evidence is stands beside it in ``Job/contact``. While the
/// backend cannot be asked a reader shows `unknown` with the last known state beside it.
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
  /// The backend used a word that Weir does not know.
  case unknown

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

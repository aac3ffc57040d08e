import Foundation

/// Where a job stands, with what only that state has. ``Transition`` says which may follow which.
///
/// How old that knowledge is stands beside it, in ``Job/contact``.
public enum Lifecycle: Sendable, Equatable {
  /// Whether the backend has it is not known.
  /// - Parameter since: when the answer to its submit was lost; nil while the answer is awaited.
  case inDoubt(since: Date?)
  /// Waits until somebody releases it.
  /// - Parameter by: nil where the backend does not say.
  case held(by: Holder?)
  /// - Parameter since: since when nothing but its turn keeps it from starting; nil where that is not known.
  case queued(since: Date?)
  /// Machines are allocated and being prepared.
  case starting
  case running
  case suspended
  /// It was taken back from its machines; the next run is a new attempt.
  case requeued
  /// Somebody asked for its end, and it is not proven gone yet.
  case canceling
  case ended(Outcome)

  /// In one word.
  public var state: JobState {
    switch self {
    case .inDoubt: .submitting
    case .held: .held
    case .queued: .queued
    case .starting: .starting
    case .running: .running
    case .suspended: .suspended
    case .requeued: .requeued
    case .canceling: .canceling
    case .ended(let outcome): outcome.state
    }
  }

  /// How the job ended; nil until it has.
  public var outcome: Outcome? {
    if case .ended(let outcome) = self { outcome } else { nil }
  }

  /// The lifecycle of a state in one word.
  /// - Parameters:
  ///   - outcome: of a state that is an end; without it the least that the state says of the end.
  ///   - since: of `submitting` and `queued`.
  ///   - holder: of `held`.
  public init(_ state: JobState, outcome: Outcome? = nil, since: Date? = nil, holder: Holder? = nil) {
    switch state {
    case .submitting: self = .inDoubt(since: since)
    case .held: self = .held(by: holder)
    case .queued: self = .queued(since: since)
    case .starting: self = .starting
    case .running: self = .running
    case .suspended: self = .suspended
    case .requeued: self = .requeued
    case .canceling: self = .canceling
    case .succeeded: self = .ended(outcome ?? .succeeded)
    case .failed: self = .ended(outcome ?? .failed)
    case .canceled: self = .ended(outcome ?? .canceled)
    case .lost: self = .ended(outcome ?? .lost)
    }
  }
}

/// Who keeps a job from starting.
public enum Holder: String, Sendable, CaseIterable {
  case user, administrator, system
}

extension Outcome {
  /// The state that a job with this outcome is in.
  public var state: JobState {
    switch result {
    case .succeeded: .succeeded
    case .failed: .failed
    case .canceled: .canceled
    case .lost: .lost
    }
  }
}

/// When and by whom a job was last seen, and since when it is not.
public struct Contact: Sendable, Equatable {
  /// When its state was seen.
  public var seenAt: Date
  /// Who said so: `weir`, `squeue`, `sacct`, ...
  public var source: String
  /// Since when nothing that could be asked has shown the job; nil while it is shown.
  public var unreachableSince: Date?

  public init(seenAt: Date, source: String, unreachableSince: Date? = nil) {
    (self.seenAt, self.source, self.unreachableSince) = (seenAt, source, unreachableSince)
  }
}

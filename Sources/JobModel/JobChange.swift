/// Something that happened to a job. A job's state changes by nothing else; ``Transition`` says which states each may
/// lead to.
public enum JobChange: Sendable, Equatable {
  /// The backend accepted the submission.
  case accepted(backendID: String, held: Bool)
  /// The backend's answer to the submission was lost: whether it has the job is in doubt.
  case answerLost(reason: String)
  /// The submission certainly never reached the backend.
  case neverSubmitted(reason: String)
  /// Weir's own queue has given it a machine.
  case placed(machine: String, devices: [Device], outputPath: String?)
  /// It certainly was not started, and goes back to its place in Weir's own queue; a canceled one ends.
  /// - Parameter asNextAttempt: whether the try left traces, so that the next one needs a number of its own.
  case putBack(reason: String, asNextAttempt: Bool)
  /// It certainly was not started, and cannot be.
  case notStartable(reason: String)
  /// Somebody asked for its end.
  case cancelRequested(reason: String)
  /// A job that was canceled before it had a machine has ended.
  case canceledUnplaced
  case held(by: Holder, reason: String)
  case released
  /// The backend reports it.
  case reported(JobReport)
  /// Polls no longer show it, nothing else does, and nothing says how it ended.
  case vanished(reason: String)
  /// An administrator ended it by hand.
  case endedByHand(reason: String)

  public var kind: Kind {
    switch self {
    case .accepted: .accepted
    case .answerLost: .answerLost
    case .neverSubmitted: .neverSubmitted
    case .placed: .placed
    case .putBack: .putBack
    case .notStartable: .notStartable
    case .cancelRequested: .cancelRequested
    case .canceledUnplaced: .canceledUnplaced
    case .held: .held
    case .released: .released
    case .reported: .reported
    case .vanished: .vanished
    case .endedByHand: .endedByHand
    }
  }

  /// A change without what it carries.
  public enum Kind: String, Sendable, CaseIterable {
    case accepted, answerLost, neverSubmitted
    case placed, putBack, notStartable
    case cancelRequested, canceledUnplaced
    case held, released
    case reported, vanished, endedByHand
  }
}

import Foundation

/// The one table of legal transitions.
public enum Transition {
  /// Whether a change may lead from one state to another.
  ///
  /// Reports lead from each living state to every other but `submitting`: a backend may requeue, hold, suspend and end a
  /// job at any time, and polls may miss every state between two. A cancel that was asked for stands until the end is
  /// reported. Ended jobs do not change, but for an end that nobody has seen (`lost`, or `canceled` by an administrator's
  /// hand: see ``Job/isCorrectable``), which a report corrects.
  public static func isLegal(_ change: JobChange.Kind, from: JobState, to: JobState) -> Bool {
    switch (change, from, to) {
    case (.accepted, .submitting, .queued), (.accepted, .submitting, .held): true
    case (.answerLost, .submitting, .submitting): true
    case (.neverSubmitted, .submitting, .failed): true
    case (.placed, .queued, .starting): true
    case (.putBack, .starting, .queued): true
    case (.putBack, .canceling, .canceled), (.canceledUnplaced, .canceling, .canceled): true
    case (.notStartable, .starting, .failed): true
    case (.held, .queued, .held): true
    case (.released, .held, .queued): true
    case (.cancelRequested, _, .canceling): !from.isTerminal
    case (.vanished, _, .lost): !from.isTerminal
    case (.endedByHand, _, .canceled): !from.isTerminal
    case (.reported, _, from): true
    case (.reported, _, .submitting), (.reported, _, .canceling): false
    case (.reported, .canceling, _): to.isTerminal
    case (.reported, .lost, _), (.reported, .canceled, _): true
    case (.reported, _, _): !from.isTerminal
    default: false
    }
  }

  /// The states that a change may lead to from a state; none: the change is refused.
  public static func targets(of change: JobChange.Kind, from state: JobState) -> [JobState] {
    JobState.allCases.filter { isLegal(change, from: state, to: $0) }
  }
}

/// Why a change was refused.
public struct IllegalTransition: Error, Equatable, CustomStringConvertible {
  public let from: JobState
  public let change: JobChange.Kind

  public var description: String { "a job that is \(from.rawValue) does not accept the change '\(change.rawValue)'" }
}

extension Job {
  /// Changes the job as the table of transitions allows.
  /// - Parameters:
  ///   - time: when that was seen.
  ///   - source: who said so.
  /// - Throws: ``IllegalTransition``; the job is as it was then.
  public mutating func apply(
    _ change: JobChange, at time: Date, source: String = "weir"
  ) throws(IllegalTransition) {
    if case .reported(let report) = change {
      let after = reported(report, at: time)
      guard Transition.isLegal(.reported, from: state, to: after.state) else {
        throw IllegalTransition(from: state, change: .reported)
      }
      self = after
      return
    }
    guard let next = next(after: change, at: time), Transition.isLegal(change.kind, from: state, to: next.state) else {
      throw IllegalTransition(from: state, change: change.kind)
    }
    // When the answer was lost, nothing was seen of the job.
    if change.kind != .answerLost { (contact.source, contact.seenAt) = (source, time) }
    note(change, at: time)
    lifecycle = next
  }

  /// What a change leads to, whether it is legal or not.
  private func next(after change: JobChange, at time: Date) -> Lifecycle? {
    switch change {
    case .accepted(_, let held): held ? .held(by: .user) : .queued(since: time)
    case .answerLost: .inDoubt(since: inDoubtSince ?? time)
    case .neverSubmitted, .notStartable: .ended(.failed)
    case .placed: .starting
    case .putBack: state == .canceling ? .ended(.canceled) : .queued(since: time)
    case .cancelRequested: .canceling
    case .canceledUnplaced: nodes.isEmpty ? .ended(.canceled) : nil
    case .held(let holder, _): .held(by: holder)
    case .released: .queued(since: time)
    case .reported(let report): report.lifecycle
    case .vanished: .ended(.lost)
    case .endedByHand: .ended(Outcome(.canceled, .canceledByAdmin))
    }
  }

  /// What a change says beside the state.
  private mutating func note(_ change: JobChange, at time: Date) {
    switch change {
    case .accepted(let id, _):
      backendID = id
      reason = ""
    case .answerLost(let words): reason = words
    case .neverSubmitted(let words): end(at: time, words)
    case .placed(let machine, let given, let path):
      (nodes, devices, reason) = ([machine], given, "")
      outputPath = path ?? outputPath
    case .putBack where state == .canceling: end(at: time, reason)
    case .putBack(let words, let asNextAttempt):
      (nodes, devices, reason) = ([], [], words)
      contact.unreachableSince = nil
      if asNextAttempt { attempt += 1 }
    case .notStartable(let words):
      end(at: time, words)
      (nodes, devices) = ([], [])
    case .cancelRequested(let words), .held(_, let words): reason = words
    case .canceledUnplaced: end(at: time, reason)
    case .released: reason = ""
    case .reported: break
    case .vanished(let words):
      end(at: time, words)
      contact.unreachableSince = nil
    case .endedByHand(let words):
      end(at: max(time, submittedAt), words)
      contact.unreachableSince = nil
    }
  }

  private mutating func end(at time: Date, _ words: String) {
    (endedAt, reason) = (time, words)
  }
}

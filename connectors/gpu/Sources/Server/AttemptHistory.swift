import JobModel

/// What was seen of a server's attempts before. A job can change its own records, and remove them.
final class AttemptHistory: Sendable {
  private struct Seen {
    /// On which machine an attempt was seen to run: an address may lead to several.
    var ranOn: [AttemptID: String] = [:]
    /// Since when an attempt is seen that has begun nothing.
    var claimed: [AttemptID: ContinuousClock.Instant] = [:]
  }

  private let seen = Shared(Seen())

  func noteRun(of attempt: AttemptID, on machine: String) { seen.change { $0.ranOn[attempt] = machine } }

  /// What a sweep says of an attempt, by what was seen before. A job can name another machine in its records and remove
  /// the others; one that was seen to run on this machine has left no records then.
  /// - Parameter machine: what the server is called in its job root; nil while that is not known.
  func corrected(_ state: AttemptState, of attempt: AttemptID, on machine: String?) -> AttemptState {
    guard let machine else { return state }
    return seen.change { seen in
      switch state {
      case .running, .suspended, .orphaned: seen.ranOn[attempt] = machine
      case .elsewhere where seen.ranOn[attempt] == machine: return .gone
      default: break
      }
      return state
    }
  }

  /// Notes that an attempt is seen that has begun nothing.
  /// - Returns: for how long that is so.
  func noteClaim(of attempt: AttemptID, at now: ContinuousClock.Instant = .now) -> Duration {
    seen.change { seen in
      let since = seen.claimed[attempt] ?? now
      seen.claimed[attempt] = since
      return now - since
    }
  }

  /// Notes that an attempt is seen otherwise.
  func endClaim(of attempt: AttemptID) { seen.change { $0.claimed[attempt] = nil } }

  /// Forgets all attempts but these.
  func keep(_ attempts: Set<AttemptID>) {
    seen.change { seen in
      seen.ranOn = seen.ranOn.filter { attempts.contains($0.key) }
      seen.claimed = seen.claimed.filter { attempts.contains($0.key) }
    }
  }
}

extension AttemptState {
  /// Whether nothing is left of a job that has run there, or may have: after a while it is lost.
  ///
  /// One that is being canceled and never began is given up instead, and one that is starting is started.
  func isMissing(_ job: Job) -> Bool {
    switch self {
    case .gone: true
    case .absent: job.hasRun || ![.starting, .canceling].contains(job.state)
    case .claimed: job.hasRun
    // Nobody will write down how it ended.
    case .damaged(_, let pids): pids.isEmpty
    default: false
    }
  }
}

extension Job {
  /// Whether it was seen to run, so that a directory without records says nothing. What is to be canceled is given up
  /// even so: void.sh sees whether anything of it lives.
  var hasRun: Bool { startedAt != nil && state != .canceling }
}

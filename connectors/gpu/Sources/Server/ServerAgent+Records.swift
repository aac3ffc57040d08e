import JobModel
import Jobs

extension ServerAgent {
  /// Whether nothing is left of a job that has run there, or may have: after a while it is lost.
  ///
  /// One that is being canceled and never began is given up instead, and one that is starting is started.
  func isMissing(_ job: Job, _ state: AttemptState) -> Bool {
    switch state {
    case .gone: true
    case .absent: hasRun(job) || ![.starting, .canceling].contains(job.state)
    case .claimed: hasRun(job)
    // Nobody will write down how it ended.
    case .damaged(_, let pids): pids.isEmpty
    default: false
    }
  }

  /// Whether a job was seen to run, so that a directory without records says nothing. What is to be canceled is given up
  /// even so: void.sh sees whether anything of it lives.
  func hasRun(_ job: Job) -> Bool { job.startedAt != nil && job.state != .canceling }

  /// What a sweep says of an attempt, by what was seen before. A job can name another machine in its records and remove
  /// the others; one that was seen to run on this machine has left no records then.
  func corrected(_ state: AttemptState, of attempt: AttemptID) -> AttemptState {
    guard let machine = status.value.facts?.machine else { return state }
    switch state {
    case .running, .suspended, .orphaned: ranOn[attempt] = machine
    case .elsewhere where ranOn[attempt] == machine: return .gone
    default: break
    }
    return state
  }

  /// Says of which jobs the records are damaged.
  func noteDamage(_ answer: SweepAnswer) {
    let before = status.value.damaged
    status.change { status in
      for (id, state) in answer.attempts {
        if case .damaged(let record, let pids) = state {
          status.damaged[id] = Self.words(record, pids)
        } else {
          status.damaged[id] = nil
        }
      }
    }
    let known = Set(jobs.value.values.map(\.attemptID))
    status.change { status in
      status.damaged = status.damaged.filter { known.contains($0.key) || status.strangers[$0.key] != nil }
    }
    for (id, words) in status.value.damaged where before[id] == nil { logger.error("job \(id.job): \(words)") }
  }

  static func words(_ record: String, _ pids: [Int]) -> String {
    let record = ["records", "directory"].contains(record) ? "its \(record)" : "its record '\(record)'"
    let living = pids.isEmpty ? "no process of it is left" : "processes that live: \(pids.count)"
    return "\(record) on the server is damaged, and so its state is not known; \(living)"
  }

  /// Notes whose the job root is. One that has become ours is listed again: another Weir has started jobs there.
  func noteOwner(_ record: String) throws(BackendError) {
    let before = rootClaim.obstacle
    let isNew = rootClaim.note(record, configuration.owner)
    let obstacle = rootClaim.obstacle
    status.change { $0.foreignOwner = obstacle }
    if let obstacle, before == nil { logger.warning("the server gets no jobs: \(obstacle)") }
    guard isNew else { return }
    logger.notice("this Weir owns the job root now")
    status.change { $0.facts = nil }
    throw .unavailable("its job root has been taken over, and is being listed")
  }
}

extension ServerStatus {
  /// Of which jobs nothing is known, with the first few by name; nil when there is none.
  var damageWords: String? {
    guard !damaged.isEmpty else { return nil }
    let shown = damaged.sorted { $0.key.job < $1.key.job }.prefix(10).map { "job \($0.key.job): \($0.value)" }
    let more = damaged.count > shown.count ? "; and \(damaged.count - shown.count) more" : ""
    return "records of jobs are damaged: " + shown.joined(separator: "; ") + more
  }
}

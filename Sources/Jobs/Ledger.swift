import Dispatch
import Foundation
import Logging
import Synchronization

/// What the service knows of all jobs, in memory: readers look here and never wait.
final class JobTable: Sendable {
  struct Contents: Sendable {
    var jobs: [JobKey: Job] = [:]
    /// Counts the changes, so that what is made from the table can be kept until it changes.
    var generation: UInt64 = 0
  }

  private let contents = Mutex(Contents())

  func read<Result>(_ body: (borrowing Contents) throws -> Result) rethrows -> Result {
    try contents.withLock { try body($0) }
  }

  fileprivate func change(_ body: (inout Contents) -> Void) {
    contents.withLock {
      body(&$0)
      $0.generation &+= 1
    }
  }
}

/// The one place where a job's state changes: first on disk, then in the table that readers see.
///
/// An actor on a queue of its own, since its writes wait for the disk.
actor Ledger {
  nonisolated let table = JobTable()
  private let store: JobStore
  private let logger: Logger
  private let queue = DispatchSerialExecutor(label: "weir.ledger")
  /// Jobs whose latest change could not be written; tried again with every observation.
  private var unsaved: Set<JobKey> = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// Seconds for which a job that is over stays in the table; afterwards it is read from disk.
  private let recentInterval: TimeInterval

  init(store: JobStore, recentInterval: TimeInterval, logger: Logger) {
    self.store = store
    self.recentInterval = recentInterval
    self.logger = logger
  }

  /// Reads the jobs that are not over, and those that ended recently.
  func load() throws {
    let jobs = try store.jobs(livingOrEndedSince: Date() - recentInterval)
    table.change { contents in
      for var job in jobs {
        // Its answer was lost when the program ended.
        if job.state == .submitting { job.missingSince = job.missingSince ?? job.submittedAt }
        contents.jobs[job.key] = job
      }
    }
  }

  /// The job of that name and number, also one that ended long ago.
  func find(_ key: JobKey) throws -> Job? {
    try table.read { $0.jobs[key] } ?? store.job(key)
  }

  func insert(_ job: Job, shownScript: String, actor: String) throws {
    let event = JobEvent(
      job: job.id, time: job.stateTime, actor: actor, from: nil, to: job.state, source: job.stateSource,
      reason: job.reason)
    try store.insert(job, shownScript: shownScript, event: event)
    table.change { $0.jobs[job.key] = job }
  }

  /// Takes back a job that certainly never reached the backend.
  func remove(_ job: Job) {
    do { try store.delete(job.id) } catch { logger.error("\(job.key): row not removed: \(error)") }
    table.change { contents in
      if contents.jobs[job.key]?.id == job.id { contents.jobs[job.key] = nil }
    }
  }

  func shownScript(of id: String) throws -> String? { try store.shownScript(of: id) }
  func keptOutput(of id: String) throws -> [UInt8]? { try store.keptOutput(of: id) }
  func keep(output: [UInt8], of id: String) throws -> [UInt8] { try store.keep(output: output, of: id) }

  /// Changes one job, unless it is over. Returns it as it is afterwards.
  @discardableResult
  func transition(_ key: JobKey, actor: String, _ change: @Sendable (inout Job) -> Void) -> Job? {
    guard let before = table.read({ $0.jobs[key] }) else { return nil }
    guard !before.state.isTerminal else { return before }
    var after = before
    change(&after)
    commit([(before, after)], actor: actor)
    return after
  }

  /// Takes over what a complete observation says of the jobs that were asked about.
  func apply(_ observation: Observation, to asked: Set<JobKey>, lostAfter: TimeInterval) {
    let contents = table.read { copy $0 }
    var byBackendID: [String: JobKey] = [:]
    var byToken: [String: JobKey] = [:]
    for (key, job) in contents.jobs where !job.state.isTerminal {
      if let id = job.backendID { byBackendID[id] = key } else { byToken[job.submissionToken] = key }
    }
    var changes: [(before: Job, after: Job)] = []
    var seen: Set<JobKey> = []
    for sighting in observation.sightings {
      let key = byBackendID[sighting.backendID] ?? sighting.token.flatMap { byToken[$0] }
      guard let key, let before = contents.jobs[key] else { continue }
      // An id that the backend gave out anew after a reset belongs to another job; a token under another account is
      // somebody's copy.
      if let token = sighting.token, token != before.submissionToken { continue }
      if let account = sighting.account, account != before.account { continue }
      seen.insert(key)
      changes.append((before, before.updated(by: sighting, at: observation.time)))
    }
    if observation.accountingFailure == nil {
      for key in asked.subtracting(seen) {
        guard let before = contents.jobs[key], !before.state.isTerminal, before.backendID != nil else { continue }
        changes.append((before, before.missed(at: observation.time, lostAfter: lostAfter)))
      }
    }
    for key in unsaved.subtracting(changes.map(\.after.key)) {
      if let job = contents.jobs[key] { changes.append((job, job)) }
    }
    commit(changes, actor: "weir")
    forget(endedBefore: observation.time - recentInterval)
  }

  private func forget(endedBefore moment: Date) {
    let old = table.read { contents in
      contents.jobs.values.filter { $0.state.isTerminal && ($0.endedAt ?? $0.stateTime) < moment }.map(\.key)
    }
    guard !old.isEmpty else { return }
    let keys = Set(old).subtracting(unsaved)
    table.change { contents in for key in keys { contents.jobs[key] = nil } }
  }

  /// Writes what differs enough to be kept, then shows everything. A change that cannot be written is shown all the
  /// same, since it is true, and written later.
  private func commit(_ changes: [(before: Job, after: Job)], actor: String) {
    let lasting = changes.filter { unsaved.contains($0.after.key) || $0.before.differsLastingly(from: $0.after) }
    Checkpoint.reach("end.decided", if: lasting.contains { $0.after.state.isTerminal })
    if !lasting.isEmpty {
      do {
        try store.save(lasting.map { ($0.after, event(from: $0.before, to: $0.after, actor: actor)) })
        unsaved.subtract(lasting.map(\.after.key))
      } catch {
        logger.error("the job store cannot be written: \(error)")
        unsaved.formUnion(lasting.map(\.after.key))
      }
    }
    Checkpoint.reach("end.written", if: lasting.contains { $0.after.state.isTerminal })
    guard !changes.isEmpty else { return }
    table.change { contents in for change in changes { contents.jobs[change.after.key] = change.after } }
  }

  private func event(from before: Job, to after: Job, actor: String) -> JobEvent? {
    guard before.state != after.state else { return nil }
    logger.info(
      "\(after.key): \(before.state.rawValue) → \(after.state.rawValue)",
      metadata: [
        "backend": "\(after.backendID ?? "")", "source": "\(after.stateSource)", "reason": "\(after.reason)",
      ])
    return JobEvent(
      job: after.id, time: after.stateTime, actor: actor, from: before.state, to: after.state,
      source: after.stateSource,
      reason: after.reason)
  }
}

extension Job {
  /// This job with what a sighting says of it.
  func updated(by sighting: Sighting, at time: Date) -> Job {
    var job = self
    job.backendID = sighting.backendID
    // A cancel that was asked for stands until the end is seen.
    let canceling = state == .canceling && !sighting.state.isTerminal
    job.state = canceling ? .canceling : sighting.state
    job.stateSource = sighting.source
    job.stateTime = time
    job.backendWord = sighting.backendWord
    if !canceling { job.reason = sighting.reason }
    job.ending = sighting.ending
    job.exitCode = sighting.exitCode
    job.signal = sighting.signal
    if !sighting.nodes.isEmpty || !sighting.state.isTerminal { job.nodes = sighting.nodes }
    job.elapsed = sighting.elapsed
    job.startedAt = sighting.startedAt
    job.endedAt = sighting.state.isTerminal ? sighting.endedAt ?? time : nil
    job.missingSince = nil
    return job
  }

  /// This job after a complete observation that does not show it.
  func missed(at time: Date, lostAfter: TimeInterval) -> Job {
    var job = self
    let since = missingSince ?? time
    job.missingSince = since
    guard time.timeIntervalSince(since) >= lostAfter else { return job }
    job.state = .lost
    job.stateSource = "weir"
    job.stateTime = time
    job.ending = .lost
    job.endedAt = time
    job.reason = "not in the queue and not in accounting since \(since.formatted(.iso8601))"
    return job
  }

  /// Whether more than the time of the last look is new.
  func differsLastingly(from other: Job) -> Bool {
    var other = other
    other.stateTime = stateTime
    other.elapsed = elapsed
    return self != other
  }
}

/// A serial executor on a dispatch queue, for an actor whose work may block.
final class DispatchSerialExecutor: SerialExecutor {
  private let queue: DispatchQueue

  init(label: String) { queue = DispatchQueue(label: label) }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { [self] in job.runSynchronously(on: asUnownedSerialExecutor()) }
  }

  func checkIsolated() { dispatchPrecondition(condition: .onQueue(queue)) }
}

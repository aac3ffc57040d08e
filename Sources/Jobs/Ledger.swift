import Dispatch
import Foundation
import Logging
import Synchronization

/// What the service knows of all living jobs and the latest of those that are over, in memory: readers look here and
/// never wait.
final class JobTable: Sendable {
  struct Contents: Sendable {
    var jobs: [JobKey: Job] = [:]
    /// The list that a job was in before, and until when it is shown there too: who asks for one list after the other sees
    /// a job that moves meanwhile in one of them, whichever is asked for first.
    var moved: [JobKey: (from: JobList, until: ContinuousClock.Instant)] = [:]
    /// Counts the changes, so that what is made from the table can be kept until it changes.
    var generation: UInt64 = 0
    /// Why changes cannot be written to disk right now; nil when they can.
    var storeTrouble: String?
  }

  /// A closure that is taken out of a mutex as such is wrapped anew each time, and so gets slower with each call.
  private struct Watcher: Sendable {
    let body: @Sendable (Job) -> Void
  }

  private let contents = Mutex(Contents())
  private let watcher = Mutex<Watcher?>(nil)

  /// Calls it with each job that came or changed, in the order in which that happened.
  func watch(_ body: @escaping @Sendable (Job) -> Void) {
    watcher.withLock { $0 = Watcher(body: body) }
  }

  func read<Result>(_ body: (borrowing Contents) throws -> Result) rethrows -> Result {
    try contents.withLock { try body($0) }
  }

  fileprivate func change(_ body: (inout Contents) -> Void) {
    contents.withLock {
      body(&$0)
      $0.generation &+= 1
    }
  }

  /// Shows jobs as they are now.
  /// - Parameter lingering: for how long one that moved is shown in its list before, too.
  fileprivate func show(_ changes: [(before: Job?, after: Job)], lingering: Duration) {
    change { contents in
      let now = ContinuousClock.now
      contents.moved = contents.moved.filter { $0.value.until > now }
      for (before, after) in changes {
        contents.jobs[after.key] = after
        if let from = before?.list, let to = after.list, from != to {
          contents.moved[after.key] = (from, now + lingering)
        }
      }
    }
    if let watcher = watcher.withLock({ $0 }) { for change in changes { watcher.body(change.after) } }
  }

  fileprivate func note(storeTrouble: String?) { contents.withLock { $0.storeTrouble = storeTrouble } }
}

/// The one place where a job's state changes: first on disk, then in the table that readers see.
///
/// An actor on a queue of its own, since its writes wait for the disk. While the disk takes nothing, what was seen of
/// jobs is shown all the same, since it is true, and written as soon as that can be; what must be on disk first, such as
/// a new job, is refused.
actor Ledger {
  nonisolated let table = JobTable()
  nonisolated let store: JobStore
  let logger: Logger
  private let queue = DispatchSerialExecutor(label: "weir.ledger")
  /// What is not on disk yet.
  private var unsaved: [JobKey: JobStore.Change] = [:]
  /// Set when the database turned out to be damaged: nothing more is written to it.
  private var damage: String?
  private var retry: Task<Void, Never>?
  /// Jobs in the table that are over, the first to leave first.
  private var ended: ArraySlice<JobKey> = []

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// How many jobs that are over stay in the table; the others are read from disk.
  private let recentCount: Int
  /// How long a job that moves from one list to the other is shown in both.
  private let lingering: Duration
  /// Seconds for which output is kept that nobody asks for.
  private let unclaimedOutput: TimeInterval

  init(store: JobStore, configuration: JobService.Configuration, logger: Logger) {
    self.store = store
    recentCount = configuration.recentCount
    unclaimedOutput = configuration.unclaimedOutput
    lingering = configuration.lingering
    self.logger = logger
  }

  /// Reads the jobs that are not over, and the latest of those that are.
  func load() throws {
    let rows = try store.rows(livingAndLatest: recentCount)
    tell(ofDamaged: rows)
    let jobs = rows.compactMap(\.job)
    if let latest = jobs.map(\.id).max() { ULID.follow(latest) }
    table.change { contents in
      for var job in jobs {
        // Its answer was lost when the program ended.
        if job.state == .submitting { job.missingSince = job.missingSince ?? job.submittedAt }
        contents.jobs[job.key] = job
      }
    }
    ended = ArraySlice(jobs.filter(\.state.isTerminal).map(\.key))
  }

  /// The job of that name and number, also one that ended long ago. Waits for nobody who writes.
  nonisolated func find(_ key: JobKey) async throws -> Job? {
    if let job = table.read({ $0.jobs[key] }) { return job }
    return try await store.job(key)
  }

  /// - Parameter limits: what its owner may have; nil for a job that the backend has already.
  func insert(
    _ job: Job, shownScript: String, actor: String, idempotencyKey: IdempotencyKey?, payload: [UInt8]? = nil,
    limits: OwnerLimits? = nil
  ) throws {
    let job = job.bounded()
    try limits?.checkWaiting(table.waiting(of: job.owner, besides: job.key), of: job.owner)
    let event = JobEvent(
      job: job.id, time: job.stateTime, actor: actor, from: nil, to: job.state, source: job.stateSource,
      reason: job.reason)
    let due = job.state.isTerminal ? Date() + unclaimedOutput : nil
    try writing {
      try store.insert(
        job, shownScript: shownScript, event: event, idempotencyKey: idempotencyKey, payload: payload, outputDue: due,
        limits: limits)
    }
    // It took the place of an earlier try, of which nothing more is to be written.
    unsaved[job.key] = nil
    table.show([(nil, job)], lingering: .zero)
    if job.state.isTerminal {
      ended.append(job.key)
      forget()
    }
  }

  /// Takes over a job that the backend has and the store does not.
  /// - Returns: false when the store knows its name and number, or its token.
  func adopt(_ job: Job) async throws -> Bool {
    // One may be submitted while the disk is asked.
    guard try await find(job.key) == nil, table.read({ $0.jobs[job.key] == nil }) else { return false }
    var job = job
    job.reason = "the store did not know it" + (job.reason.isEmpty ? "" : "; \(job.reason)")
    try insert(job, shownScript: "", actor: "weir", idempotencyKey: nil)
    logger.notice("\(job.key): adopted", metadata: ["backend": "\(job.backendID ?? "")", "owner": "\(job.owner)"])
    return true
  }

  /// Takes back a job that certainly never reached the backend. Where the disk does not let go of it, it has failed.
  func remove(_ job: Job, why: String) {
    do { try writing { try store.delete(job.id) } } catch {
      logger.error("\(job.key): row not removed: \(error)")
      transition(job.key, actor: "weir") { $0.end(at: Date(), reason: why) }
      return
    }
    unsaved[job.key] = nil
    table.change { contents in
      if contents.jobs[job.key]?.id == job.id { contents.jobs[job.key] = nil }
    }
  }

  /// Makes a change of the store other than of a job's state, and learns from it whether the store can be written.
  @discardableResult
  func writing<Value: Sendable>(_ body: @Sendable () throws -> Value) throws -> Value {
    if let damage { throw StoreError.damaged(damage) }
    do {
      let value = try body()
      if unsaved.isEmpty { heal() }
      return value
    } catch let error as JobError {
      throw error
    } catch {
      let error = StoreError(error)
      if case .unusable = error {} else { suffer(error) }
      throw error
    }
  }

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

  /// Changes several jobs in one transaction, but for those that are over and those that `change` leaves as they are.
  /// - Returns: those that were changed, as they are afterwards.
  @discardableResult
  func transition(_ keys: [JobKey], actor: String, _ change: @Sendable (inout Job) -> Void) -> [Job] {
    var changes: [(before: Job, after: Job)] = []
    for key in keys {
      guard let before = table.read({ $0.jobs[key] }), !before.state.isTerminal else { continue }
      var after = before
      change(&after)
      if after != before { changes.append((before, after)) }
    }
    commit(changes, actor: actor)
    return changes.map(\.after)
  }

  /// Changes several jobs like ``transition(_:actor:_:)``, but none of them unless it is on disk: for what is acted upon
  /// as soon as it is done, and would be done again by a program that did not find it there.
  /// - Returns: those that were changed; none while the disk takes nothing.
  func transitionOnDisk(_ keys: [JobKey], actor: String, _ change: @Sendable (inout Job) -> Void) -> [Job] {
    guard unsaved.isEmpty, table.read({ $0.storeTrouble == nil }) else { return [] }
    let changes = keys.compactMap { key -> (before: Job, after: Job)? in
      guard let before = table.read({ $0.jobs[key] }), !before.state.isTerminal else { return nil }
      var after = before
      change(&after)
      after = after.bounded()
      return after == before ? nil : (before, after)
    }
    guard !changes.isEmpty else { return [] }
    let rows = changes.map { before, after in
      JobStore.Change(job: after, events: event(from: before, to: after, actor: actor).map { [$0] } ?? [])
    }
    do { try writing { [store] in try store.save(rows) } } catch {
      logger.error("nothing is started: \(error)")
      return []
    }
    table.show(changes.map { ($0.before, $0.after) }, lingering: lingering)
    return changes.map(\.after)
  }

  /// Takes over what was seen of single jobs, whoever shows them.
  func apply(_ sightings: [JobKey: Sighting], at time: Date) {
    transition(Array(sightings.keys), actor: "weir") { job in
      guard let sighting = sightings[job.key], sighting.shows(job) else { return }
      job = job.updated(by: sighting, at: time)
    }
  }

  /// Takes over what an observation says of the jobs that were asked about; see ``Evidence``.
  func apply(_ observation: Observation, to asked: Set<JobKey>, lostAfter: TimeInterval, unbroken: Bool) {
    let jobs = table.read { $0.jobs }
    let evidence = Evidence(observation, asked: asked, lostAfter: lostAfter, unbroken: unbroken)
    commit(evidence.changes(of: jobs), actor: "weir")
  }

  /// Writes what differs enough to be kept, then shows everything.
  private func commit(_ changes: [(before: Job, after: Job)], actor: String) {
    guard !changes.isEmpty else { return }
    let changes = changes.map { (before: $0.before, after: $0.after.bounded()) }
    for (before, after) in changes where unsaved[after.key] != nil || before.differsLastingly(from: after) {
      var change = unsaved[after.key] ?? JobStore.Change(job: after)
      change.job = after
      if let event = event(from: before, to: after, actor: actor) { change.events.append(event) }
      if after.state.isTerminal, !before.state.isTerminal { change.outputDue = Date() + unclaimedOutput }
      unsaved[after.key] = change
    }
    Checkpoint.reach("end.decided", if: changes.contains { $0.after.state.isTerminal })
    save()
    Checkpoint.reach("end.written", if: changes.contains { $0.after.state.isTerminal })
    table.show(changes.map { ($0.before, $0.after) }, lingering: lingering)
    for (before, after) in changes where after.state.isTerminal && !before.state.isTerminal { ended.append(after.key) }
    forget()
  }

  private func save() {
    guard !unsaved.isEmpty else { return }
    let changes = Array(unsaved.values)
    do { try writing { [store] in try store.save(changes) } } catch {
      if case .unusable(let reason)? = error as? StoreError { logger.error("jobs cannot be written: \(reason)") }
      return tryAgainSoon()
    }
    unsaved = [:]
    heal()
  }

  /// Lets jobs that are over leave the table, but for the latest, and for those that are not on disk as they are.
  private func forget() {
    guard ended.count > recentCount else { return }
    let leaving = ended.prefix(ended.count - recentCount)
    ended = ArraySlice(leaving.filter { unsaved[$0] != nil } + ended.dropFirst(leaving.count))
    table.change { contents in
      // A name may stand for a new try at a job that the backend never had.
      for key in leaving where unsaved[key] == nil && contents.jobs[key]?.state.isTerminal == true {
        contents.jobs[key] = nil
      }
    }
  }

  private func event(from before: Job, to after: Job, actor: String) -> JobEvent? {
    guard before.state != after.state || before.attempt != after.attempt || before.isAmended(by: after) else {
      return nil
    }
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

extension Ledger {
  // MARK: A store that cannot be written

  /// The database turned out to be damaged: it is read for as long as that goes well, and written no more.
  func condemn(_ fault: String) {
    damage = fault
    suffer(.damaged(fault))
  }

  private func suffer(_ error: StoreError) {
    let words: String
    switch error {
    case .damaged(let reason):
      damage = reason
      words = "the job store is damaged, and nothing more is written to it: \(reason); `weir store check` says more"
    case .unwritable(let reason): words = "the job store cannot be written: \(reason)"
    default: words = "the job store cannot be used: \(error)"
    }
    if table.read({ $0.storeTrouble }) != words { logger.critical("\(words)") }
    table.note(storeTrouble: words)
    tryAgainSoon()
  }

  private func heal() {
    guard let trouble = table.read({ $0.storeTrouble }) else { return }
    table.note(storeTrouble: nil)
    logger.notice("the job store can be written again, after: \(trouble)")
  }

  /// Tries once more in a second, and so on until it goes well.
  private func tryAgainSoon() {
    guard retry == nil, damage == nil else { return }
    retry = Task { [weak self] in
      try? await Task.sleep(for: .seconds(1))
      await self?.tryAgain()
    }
  }

  /// Writes what is left to be written, if the disk takes it.
  func tryAgain() {
    retry = nil
    guard damage == nil else { return }
    if unsaved.isEmpty {
      guard table.read({ $0.storeTrouble != nil }) else { return }
      _ = try? writing { [store] in try store.probe() }
    } else {
      save()
    }
  }

  // MARK: Output

  func keep(output: [UInt8], of id: String) throws -> [UInt8] {
    try writing { [store] in try store.keep(output: output, of: id) }
  }
}

extension Job {
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

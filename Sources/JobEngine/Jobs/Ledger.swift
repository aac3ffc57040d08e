import Dispatch
import Foundation
import JobModel
import JobStore
import Logging
import Support

/// The one place where a job's state changes: first on disk, then in the table that readers see.
///
/// An actor on a queue of its own, since its writes wait for the disk. While the disk takes nothing, what was seen of
/// jobs is shown all the same, since it is true, and written as soon as that can be; what must be on disk first, such as
/// a new job, is refused.
actor Ledger {
  nonisolated let table: JobTable
  nonisolated let store: any JobStore
  nonisolated let serviceTime: ServiceTime
  let clock: JobClock
  let logger: Logger
  private let queue = QueueExecutor(label: "weir.ledger", mayBlock: true)
  /// What is not on disk yet.
  private var unsaved: [JobID: JobWrite] = [:]
  /// Set when the database turned out to be damaged: nothing more is written to it.
  private var damage: String?
  private var retry: Task<Void, Never>?
  /// Jobs in the table that are over, the first to leave first; those whose end nobody has seen apart, so that what the
  /// backend shows of them later finds them.
  private var ended: ArraySlice<JobID> = []
  private var unseen: ArraySlice<JobID> = []
  /// The jobs that complete polls do not show.
  var absences: Absences
  /// Who asked for the end of a job that was lost, by the jobs' ids.
  var canceledLost: [JobID: String] = [:]

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// How many jobs that are over stay in the table; the others are read from disk.
  private let recentCount: Int
  /// Whether more stay there for as long as their exit codes may still be learnt, and of very many how many.
  private let awaitsExitCodes: Bool
  private static let mostAwaiting = 5000
  /// When accounting last could not be asked.
  var accountingFailed: ContinuousClock.Instant?
  /// How long a job that moves from one list to the other is shown in both.
  private let lingering: Duration
  /// Seconds for which output is kept that nobody asks for.
  private let unclaimedOutput: TimeInterval
  /// How many jobs are written at a time.
  let page: Int

  init(
    store: any JobStore, configuration: JobService.Configuration, awaitsExitCodes: Bool = false, logger: Logger
  ) {
    self.store = store
    self.awaitsExitCodes = awaitsExitCodes
    clock = configuration.clock
    table = JobTable(clock: clock)
    serviceTime = ServiceTime(clock: clock)
    absences = Absences(
      lostAfter: .seconds(configuration.lostAfter), longestGap: max(.seconds(60), configuration.pollInterval * 3))
    recentCount = configuration.recentCount
    unclaimedOutput = configuration.unclaimedOutput
    lingering = configuration.lingering
    page = configuration.page
    self.logger = logger
  }

  /// Reads the jobs that are not over, and the latest of those that are.
  func load() throws {
    if let time = try store.serviceTime() { serviceTime.resume(from: time) }
    let records = try store.records(livingAndLatest: recentCount)
    tell(ofDamaged: records)
    var jobs = records.compactMap(\.job)
    let known = Set(jobs.map(\.id))
    jobs = try store.jobs(withUnseenEnd: recentCount).filter { !known.contains($0.id) } + jobs
    if awaitsExitCodes {
      let late = try store.jobs(withoutExitCodeSince: clock.date - 600, limit: Self.mostAwaiting)
      let known = Set(jobs.map(\.id))
      jobs = late.filter { !known.contains($0.id) } + jobs
    }
    if let latest = jobs.map(\.id).max() { ULID.follow(latest.rawValue) }
    // The answer to its submit was lost when the program ended.
    for index in jobs.indices where jobs[index].lifecycle == .inDoubt(since: nil) {
      try jobs[index].apply(.answerLost(reason: jobs[index].reason), at: jobs[index].submittedAt)
    }
    table.load(jobs)
    for job in jobs where job.state.isTerminal { noteEnd(of: job) }
  }

  private func noteEnd(of job: Job) {
    if job.isCorrectable { unseen.append(job.id) } else { ended.append(job.id) }
  }

  /// The job of that name and number, also one that ended long ago. Waits for nobody who writes.
  nonisolated func find(_ key: JobKey) async throws -> Job? {
    if let job = table.read({ $0.job(named: key) }) { return job }
    return try await store.job(key)
  }

  /// - Parameter limits: what its owner may have; nil for a job that the backend has already.
  func insert(
    _ job: Job, shownScript: String, actor: String, idempotencyKey: IdempotencyKey?, payload: [UInt8]? = nil,
    limits: OwnerLimits? = nil
  ) throws {
    let job = job.bounded(at: clock.date)
    try limits?.checkWaiting(table.waiting(of: job.owner, besides: job.key), of: job.owner)
    let event = JobEvent(
      job: job.id, time: job.contact.seenAt, actor: actor, from: nil, to: job.state, source: job.contact.source,
      reason: job.reason)
    let earlier = table.read { $0.job(named: job.key) }
    let time = serviceTime.now
    let due = job.state.isTerminal ? time + unclaimedOutput : nil
    try writing {
      try store.insert(
        job, shownScript: shownScript, event: event, idempotencyKey: idempotencyKey, payload: payload, outputDue: due,
        limits: limits, serviceTime: time)
    }
    // It took the place of an earlier try, of which nothing more is to be written.
    if let earlier { unsaved[earlier.id] = nil }
    table.show([(nil, job)], lingering: .zero)
    if job.state.isTerminal {
      noteEnd(of: job)
      forget()
    }
  }

  /// Takes over a job that the backend has and the store does not.
  /// - Returns: false when the store knows its name and number, or its token.
  func adopt(_ job: Job) async throws -> Bool {
    // One may be submitted while the disk is asked.
    guard try await find(job.key) == nil, table.read({ $0.job(named: job.key) == nil }) else { return false }
    var job = job
    job.reason = "the store did not know it" + (job.reason.isEmpty ? "" : "; \(job.reason)")
    try insert(job, shownScript: "", actor: "weir", idempotencyKey: nil)
    logger.notice("\(job.key): recovered", metadata: ["backend": "\(job.backendID ?? "")", "owner": "\(job.owner)"])
    return true
  }

  /// Takes back a job that certainly never reached the backend. Where the disk does not let go of it, it has failed.
  func remove(_ job: Job, why: String) {
    do { try writing { try store.delete(job.id) } } catch {
      logger.error("\(job.key): row not removed: \(error)")
      apply(.neverSubmitted(reason: why), to: job, actor: "weir", at: clock.date)
      return
    }
    guard current(job) != nil else { return }
    unsaved[job.id] = nil
    table.remove([job.id])
  }

  /// Removes records of jobs of which nothing is left; see ``JobStore/removeRecords(before:limit:)``.
  /// - Returns: how many.
  func removeRecords(before time: Date, limit: Int) throws -> Int {
    // What is known of a job that is not on disk yet may be that it lives.
    guard unsaved.isEmpty else { return 0 }
    let removed = try writing { [store] in try store.removeRecords(before: time, limit: limit) }
    table.remove(removed)
    return removed.count
  }

  /// The job as it is now; nil when a new try has taken its place.
  nonisolated func current(_ job: Job) -> Job? { table.read { $0.jobs[job.id] } }

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
  ///
  /// What was learnt of a job changes that job alone, and never a later submission of the same name and number.
  @discardableResult
  func transition(
    _ job: Job, actor: String, _ change: @Sendable (inout Job) throws(IllegalTransition) -> Void
  ) -> Job? {
    guard let before = current(job) else { return nil }
    guard !before.state.isTerminal else { return before }
    var after = before
    do throws(IllegalTransition) { try change(&after) } catch {
      note(error, of: before)
      return before
    }
    commit([(before, after)], actor: actor)
    return after
  }

  /// Applies a change to one job where the table of transitions allows it. Returns the job as it is afterwards.
  @discardableResult
  func apply(_ change: JobChange, to job: Job, actor: String, at time: Date, source: String = "weir") -> Job? {
    transition(job, actor: actor) { job throws(IllegalTransition) in
      try job.apply(change, at: time, source: source)
    }
  }

  /// A change that the table of transitions refuses, such as an answer that came after a poll has shown more.
  func note(_ refusal: IllegalTransition, of job: Job) { logger.debug("\(job.key): not changed: \(refusal)") }

  /// Changes several jobs, unless they are over, but none of them unless it is on disk: for what is acted upon
  /// as soon as it is done, and would be done again by a program that did not find it there.
  /// - Returns: those that were changed; none while the disk takes nothing.
  func transitionOnDisk(
    _ ids: [JobID], actor: String, _ change: @Sendable (inout Job) throws(IllegalTransition) -> Void
  ) -> [Job] {
    guard unsaved.isEmpty, table.read({ $0.storeTrouble == nil }) else { return [] }
    let changes = ids.compactMap { id -> (before: Job, after: Job)? in
      guard let before = table.read({ $0.jobs[id] }), !before.state.isTerminal else { return nil }
      var after = before
      do throws(IllegalTransition) { try change(&after) } catch {
        note(error, of: before)
        return nil
      }
      after = after.bounded(at: clock.date)
      return after == before ? nil : (before, after)
    }
    guard !changes.isEmpty else { return [] }
    let rows = changes.map { before, after in
      JobWrite(job: after, events: event(from: before, to: after, actor: actor).map { [$0] } ?? [])
    }
    do { try writing { [store] in try store.save(rows) } } catch {
      logger.error("no job is started: \(error)")
      return []
    }
    table.show(changes.map { ($0.before, $0.after) }, lingering: lingering)
    return changes.map(\.after)
  }

  /// Writes what differs enough to be kept, then shows everything.
  /// - Parameter seen: what showed the jobs, by their ids, of those that something showed.
  func commit(_ changes: [(before: Job, after: Job)], actor: String, seen: [JobID: JobReport] = [:]) {
    guard !changes.isEmpty else { return }
    let changes = changes.map { (before: $0.before, after: $0.after.bounded(at: clock.date)) }
    for (before, after) in changes where unsaved[after.id] != nil || before.differsLastingly(from: after) {
      var change = unsaved[after.id] ?? JobWrite(job: after)
      change.job = after
      if let event = event(from: before, to: after, actor: actor) { change.events.append(event) }
      if after.state.isTerminal, !before.state.isTerminal { change.outputDue = serviceTime.now + unclaimedOutput }
      if before.state.isTerminal, !before.hasSameEnd(as: after) { change.corrects = change.corrects ?? before }
      if !after.state.isTerminal { change.outputDue = nil }
      unsaved[after.id] = change
    }
    Checkpoint.reach("end.decided", if: changes.contains { $0.after.state.isTerminal })
    save()
    Checkpoint.reach("end.written", if: changes.contains { $0.after.state.isTerminal })
    table.show(changes.map { ($0.before, $0.after) }, seen: seen, lingering: lingering)
    for (before, after) in changes where after.state.isTerminal && !before.hasSameEnd(as: after) { noteEnd(of: after) }
    forget()
  }

  /// Writes what is not on disk yet; of very much a page, and the rest soon.
  private func save() {
    guard !unsaved.isEmpty else { return }
    let changes = unsaved.values.prefix(page)
    do { try writing { [store] in try store.save(Array(changes)) } } catch {
      if case .unusable(let reason)? = error as? StoreError {
        logger.error("changes of jobs cannot be stored: \(reason)")
      }
      return tryAgain(after: .seconds(1))
    }
    for change in changes { unsaved[change.job.id] = nil }
    if unsaved.isEmpty { heal() } else { tryAgain(after: .milliseconds(1)) }
  }

  /// Lets jobs that are over leave the table, but for the latest, and for those that are not on disk as they are.
  private func forget() {
    forget(&ended) { !$0.isCorrectable }
    forget(&unseen) { $0.isCorrectable }
  }

  private func forget(_ line: inout ArraySlice<JobID>, _ belongs: (Job) -> Bool) {
    guard line.count > recentCount else { return }
    let old = line.prefix(line.count - recentCount)
    let staying = Set(old.filter { unsaved[$0] != nil }).union(awaitingExitCode(old))
    let leaving = old.filter { !staying.contains($0) }
    line = ArraySlice(old.filter(staying.contains) + line.dropFirst(old.count))
    // An end may stand for one that was corrected.
    table.remove(
      table.read { contents in
        leaving.filter { id in contents.jobs[id].map { $0.state.isTerminal && belongs($0) } ?? false }
      })
  }

  /// Those of the jobs that the backend may still be asked about, since their exit codes come later than their ends: of very
  /// many the latest.
  private func awaitingExitCode(_ ids: ArraySlice<JobID>) -> ArraySlice<JobID> {
    guard awaitsExitCodes else { return [] }
    let now = clock.now
    let accountingSince = accountingFailed ?? now - .seconds(86_400)
    return table.read { contents in
      ArraySlice(
        ids.filter { id in
          guard let job = contents.jobs[id], let timeline = contents.timelines[id] else { return false }
          return timeline.awaitsExitCode(job, at: now, accountingSince: accountingSince)
        }
      ).suffix(Self.mostAwaiting)
    }
  }

  private func event(from before: Job, to after: Job, actor: String) -> JobEvent? {
    guard before.state != after.state || before.attempt != after.attempt || before.isAmended(by: after) else {
      return nil
    }
    logger.info(
      "\(after.key): \(before.state.rawValue) → \(after.state.rawValue)",
      metadata: [
        "backend": "\(after.backendID ?? "")", "source": "\(after.contact.source)", "reason": "\(after.reason)",
      ])
    return JobEvent(
      job: after.id, time: after.contact.seenAt, actor: actor, from: before.state, to: after.state,
      source: after.contact.source,
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
      words = "the job store is damaged and is no longer written: \(reason); run `weir store check`"
    case .unwritable(let reason): words = "the job store cannot be written: \(reason)"
    default: words = "the job store cannot be used: \(error)"
    }
    if table.read({ $0.storeTrouble }) != words { logger.critical("\(words)") }
    table.note(storeTrouble: words)
    tryAgain(after: .seconds(1))
  }

  private func heal() {
    guard let trouble = table.read({ $0.storeTrouble }) else { return }
    table.note(storeTrouble: nil)
    logger.notice("the job store can be written again, after: \(trouble)")
  }

  /// Tries once more after that pause, and so on until it goes well.
  private func tryAgain(after pause: Duration) {
    guard retry == nil, damage == nil else { return }
    retry = Task { [weak self] in
      try? await Task.sleep(for: pause)
      await self?.tryAgain()
    }
  }

  /// Writes all that is left to be written, unless the disk does not take it.
  func flush() {
    var left = unsaved.count
    tryAgain()
    while !unsaved.isEmpty, unsaved.count < left {
      left = unsaved.count
      tryAgain()
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
}

import Dispatch
import Foundation
import JobModel
import JobStore
import Logging
import Support

/// The one place where a job's state changes: first on disk, then in the cache that readers see, then on the bus.
///
/// An actor on a queue of its own, since its writes wait for the disk. While the disk takes nothing, what was seen of
/// jobs is shown all the same, since it is true, and written as soon as that can be; what must be on disk first, such as
/// a new job, is refused.
actor Ledger {
  /// A job before and after a change, with what is recorded of it.
  private typealias Revision = (before: Job?, after: Job, events: [JobEvent])

  nonisolated let cache: JobCache
  nonisolated let bus = EventBus()
  /// To read from; what changes of jobs is written here alone.
  nonisolated let store: any JobStore
  nonisolated let serviceTime: ServiceTime
  nonisolated let clock: JobClock
  private let logger: Logger
  private let queue = QueueExecutor(label: "weir.ledger", mayBlock: true)
  private lazy var writer = StoreWriter(
    to: store, cache: cache, page: page, clock: clock, logger: logger,
    comeBack: { [weak self] in await self?.writeAgain() })
  private var ended: EndedJobs
  /// The first events of jobs that are being submitted: they are stored with what becomes of the submit, so that one that
  /// never reaches the backend leaves nothing.
  private var firstEvents: [JobID: JobEvent] = [:]

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  private let recentCount: Int
  private let awaitsExitCodes: Bool
  /// How long a job that moves from one list to the other is shown in both.
  private let lingering: Duration
  /// Seconds for which output is kept that nobody asks for.
  private let unclaimedOutput: TimeInterval
  /// How many jobs are written at a time.
  nonisolated let page: Int

  init(
    store: any JobStore, configuration: JobService.Configuration, awaitsExitCodes: Bool = false, logger: Logger
  ) {
    self.store = store
    self.awaitsExitCodes = awaitsExitCodes
    clock = configuration.clock
    cache = JobCache(clock: clock)
    serviceTime = ServiceTime(clock: clock)
    ended = EndedJobs(limit: configuration.recentCount, awaitsExitCodes: awaitsExitCodes)
    recentCount = configuration.recentCount
    unclaimedOutput = configuration.unclaimedOutput
    lingering = configuration.lingering
    page = configuration.page
    self.logger = logger
  }

  // MARK: Loading

  /// Reads the jobs that have not ended, and the latest of those that have.
  func load() throws {
    if let time = try store.serviceTime() { serviceTime.resume(from: time) }
    let records = try store.records(livingAndLatest: recentCount)
    report(damaged: records)
    var jobs = records.compactMap(\.job)
    let known = Set(jobs.map(\.id))
    jobs = try store.jobs(withUnseenEnd: recentCount).filter { !known.contains($0.id) } + jobs
    if awaitsExitCodes {
      let late = try store.jobs(withoutExitCodeSince: clock.date - 600, limit: EndedJobs.mostAwaiting)
      let known = Set(jobs.map(\.id))
      jobs = late.filter { !known.contains($0.id) } + jobs
    }
    if let latest = jobs.map(\.id).max() { ULID.follow(latest.rawValue) }
    // The answer to its submit was lost when the program ended.
    for index in jobs.indices where jobs[index].lifecycle == .inDoubt(since: nil) {
      if try store.events(of: jobs[index].id).isEmpty {
        firstEvents[jobs[index].id] = Self.firstEvent(of: jobs[index], actor: jobs[index].owner)
      }
      try jobs[index].apply(.answerLost(reason: jobs[index].reason), at: jobs[index].submittedAt)
    }
    cache.load(jobs)
    for job in jobs where job.state.isTerminal { ended.add(job) }
  }

  /// Repairs what can be repaired of damaged rows, with an event that says what stood there, and reports all of them.
  private func report(damaged records: [StoredJob]) {
    for record in records where !record.faults.isEmpty {
      let fate = record.job == nil ? "set aside; its record is not changed" : "repaired"
      logger.error("the store holds a damaged record: \(record.sentence): \(fate)")
      store.health.note(record.sentence, "the store held a damaged record, \(record.sentence): \(fate)")
      guard let job = record.job else { continue }
      let event = JobEvent(
        job: job.id, time: clock.date, actor: "weir", from: job.state, to: job.state, source: "weir",
        reason: "its record was damaged and repaired: \(record.faults.joined(separator: ", "))")
      do { _ = try writer.save([.init(job: job, expecting: nil, events: [event])]) } catch {
        logger.error("\(job.key): its record cannot be repaired on disk: \(error)")
      }
    }
  }

  // MARK: Reading

  /// The job of that name and number, also one that ended long ago. Waits for nobody who writes.
  nonisolated func find(_ key: JobKey) async throws -> Job? {
    if let job = cache.read({ $0.job(named: key) }) { return job }
    return try await store.job(key)
  }

  /// The job as it is now; nil when it was removed, or ended so long ago that the store alone has it.
  nonisolated func current(_ job: Job) -> Job? { cache.read { $0.jobs[job.id] } }

  // MARK: Jobs that come and go

  /// - Parameter limits: what its owner may have; nil for a job that the backend has already.
  func insert(
    _ job: Job, shownScript: String, actor: String, idempotencyKey: IdempotencyKey?, payload: [UInt8]? = nil,
    limits: OwnerLimits? = nil
  ) throws {
    let job = job.bounded(at: clock.date)
    try limits?.checkWaiting(cache.waiting(of: job.owner, besides: job.key), of: job.owner)
    let event = Self.firstEvent(of: job, actor: actor)
    let isSubmitted = job.lifecycle == .inDoubt(since: nil)
    // It takes the name of an earlier try, which is to be on disk as it is.
    if let earlier = cache.read({ $0.job(named: job.key) }) { reload(try writer.save(earlier.id).stale) }
    let time = serviceTime.now
    let due = job.state.isTerminal ? time + unclaimedOutput : nil
    let stored = try writer.write { store in
      try store.insert(
        job, shownScript: shownScript, event: isSubmitted ? nil : event, idempotencyKey: idempotencyKey,
        payload: payload, outputDue: due,
        limits: limits, serviceTime: time)
    }
    if isSubmitted { firstEvents[job.id] = event }
    show([(nil, stored.job, stored.event.map { [$0] } ?? [])], lingering: .zero)
    if job.state.isTerminal {
      ended.add(job)
      forget()
    }
  }

  /// Takes over a job that the backend has and the store does not.
  /// - Returns: false when the store knows its name and number, or its token.
  func recover(_ job: Job) async throws -> Bool {
    // One may be submitted while the disk is asked.
    guard try await find(job.key) == nil, cache.read({ $0.job(named: job.key) == nil }) else { return false }
    var job = job
    job.reason = "the store did not know it" + (job.reason.isEmpty ? "" : "; \(job.reason)")
    try insert(job, shownScript: "", actor: "weir", idempotencyKey: nil)
    logger.notice("\(job.key): recovered", metadata: ["backend": "\(job.backendID ?? "")", "owner": "\(job.owner)"])
    return true
  }

  /// Takes back a job that certainly never reached the backend. Where the disk does not let go of it, it has failed.
  func remove(_ job: Job, why: String) {
    let earlier: Job?
    do { earlier = try writer.write { try $0.delete(job.id) } } catch {
      logger.error("\(job.key): row not removed: \(error)")
      apply(.neverSubmitted(reason: why), to: job, actor: "weir", at: clock.date)
      return
    }
    firstEvents[job.id] = nil
    writer.drop(job.id)
    cache.remove([job.id])
    if let earlier, let known = current(earlier) { cache.show([(known, earlier)], lingering: .zero) }
  }

  /// Removes records of jobs of which nothing is left; see ``JobStore/removeRecords(before:limit:)``.
  /// - Returns: how many.
  func removeRecords(before time: Date, limit: Int) throws -> Int {
    // What is known of a job that is not on disk yet may be that it lives.
    guard writer.isAllSaved else { return 0 }
    let removed = try writer.write { try $0.removeRecords(before: time, limit: limit) }
    cache.remove(removed)
    return removed.count
  }

  /// Ends keeping old events; see ``JobStore/removeEvents(before:limit:)``.
  /// - Returns: how many.
  func removeEvents(before time: Date, limit: Int) throws -> Int {
    try writer.write { try $0.removeEvents(before: time, limit: limit) }
  }

  // MARK: Changes of jobs

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
    guard writer.isAllSaved, cache.read({ $0.storeIssue == nil }) else { return [] }
    let revisions = ids.compactMap { id -> Revision? in
      guard let before = cache.read({ $0.jobs[id] }), !before.state.isTerminal else { return nil }
      var after = before
      do throws(IllegalTransition) { try change(&after) } catch {
        note(error, of: before)
        return nil
      }
      after = after.bounded(at: clock.date)
      guard after != before else { return nil }
      after.version += 1
      return (before, after, event(from: before, to: after, actor: actor).map { [$0] } ?? [])
    }
    guard !revisions.isEmpty else { return [] }
    let saved: JobWrite.Result
    do {
      saved = try writer.save(
        revisions.compactMap { before, after, events in
          before.map { JobWrite(after, from: $0, events: events) }
        })
    } catch {
      logger.error("no job is started: \(error)")
      return []
    }
    let made = numbered(revisions, saved)
    show(made, lingering: lingering)
    reload(saved.stale)
    return made.map(\.after)
  }

  /// Writes what differs enough to be kept, then shows everything.
  /// - Parameter seen: what showed the jobs, by their ids, of those that something showed.
  func commit(_ changes: [(before: Job, after: Job)], actor: String, seen: [JobID: JobReport] = [:]) {
    guard !changes.isEmpty else { return }
    let due = serviceTime.now + unclaimedOutput
    let revisions = changes.map { before, after -> Revision in
      var after = after.bounded(at: clock.date)
      guard writer.isUnsaved(after.id) || before.differsLastingly(from: after) else { return (before, after, []) }
      after.version += 1
      let event = event(from: before, to: after, actor: actor)
      let events = [firstEvents.removeValue(forKey: after.id), event].compactMap { $0 }
      writer.add(after, from: before, events: events, outputDue: due)
      return (before, after, events)
    }
    let hasEnd = revisions.contains { $0.after.state.isTerminal }
    Checkpoint.reach("end.decided", if: hasEnd)
    let saved = writer.save()
    Checkpoint.reach("end.written", if: hasEnd)
    let made = numbered(revisions, saved)
    show(made, seen: seen, lingering: lingering)
    reload(saved.stale)
    publish(saved.events, besides: made)
    for (before, after, _) in made where after.state.isTerminal && before?.hasSameEnd(as: after) == false {
      ended.add(after)
    }
    forget()
  }

  /// Those of the revisions that are not stale, their events with the numbers that they have in the store.
  private func numbered(_ revisions: [Revision], _ saved: JobWrite.Result) -> [Revision] {
    let stored = Dictionary(grouping: saved.events, by: \.job)
    return revisions.filter { !saved.stale.contains($0.after.id) }.map { before, after, events in
      (before, after, stored[after.id].map { Array($0.suffix(events.count)) } ?? events)
    }
  }

  /// Adds an event to the history of a job that stays as it is.
  func record(_ event: JobEvent, of job: Job) throws {
    let stored = try writer.write { try $0.note(event) }
    bus.publish(CollectionOfOne(EventBus.Change(job: job, events: stored.map { [$0] } ?? [])))
  }

  /// Shows jobs as they are stored: somebody else has changed them there.
  private func reload(_ ids: Set<JobID>) {
    for id in ids {
      do {
        let stored = try store.job(id)
        logger.error("the store holds another version of job \(stored?.key.description ?? id.rawValue), which counts")
        guard let stored, let known = cache.read({ $0.jobs[id] }) else {
          cache.remove([id])
          continue
        }
        show([(known, stored, [])], lingering: lingering)
        if stored.state.isTerminal, !known.state.isTerminal { ended.add(stored) }
      } catch {
        logger.error("job \(id) cannot be read again: \(error)")
      }
    }
  }

  /// Shows changes to readers, then to all who subscribed.
  private func show(_ revisions: [Revision], seen: [JobID: JobReport] = [:], lingering: Duration) {
    cache.show(revisions.map { ($0.before, $0.after) }, seen: seen, lingering: lingering)
    bus.publish(revisions.lazy.map { EventBus.Change(job: $0.after, events: $0.events) })
  }

  private static func firstEvent(of job: Job, actor: String) -> JobEvent {
    JobEvent(
      job: job.id, time: job.contact.seenAt, actor: actor, from: nil, to: job.state, source: job.contact.source,
      reason: job.reason)
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

  // MARK: The cache

  /// Notes when accounting could not be asked: jobs whose exit codes it would have told stay in the cache longer.
  func noteAccountingFailure(at time: ContinuousClock.Instant) { ended.noteAccountingFailure(at: time) }

  private func forget() {
    ended.trim(cache, now: clock.now) { writer.isUnsaved($0) }
  }

  // MARK: The store

  /// Makes a change of the store other than of a job's state, and learns from it whether the store can be written.
  @discardableResult
  func writing<Value: Sendable>(_ body: @Sendable (any JobStore) throws -> Value) throws -> Value {
    try writer.write(body)
  }

  /// Checks a large database once, while it is in use.
  nonisolated func examineStore() async {
    guard store.isLarge else { return }
    do {
      if let fault = try await store.quickCheck().first { await condemn(fault) }
    } catch {
      if case .damaged(let reason) = StoreError(error) { await condemn(reason) }
    }
  }

  /// The database turned out to be damaged: it is read for as long as that goes well, and written no more.
  func condemn(_ fault: String) { writer.condemn(fault) }

  /// Writes all that is left to be written, unless the disk does not take it.
  func flush() { takeIn(writer.flush()) }

  private func writeAgain() { takeIn(writer.tryAgain()) }

  /// Takes in what came of writes that were put off: their events have numbers now.
  private func takeIn(_ saved: JobWrite.Result) {
    reload(saved.stale)
    publish(saved.events, besides: [])
  }

  /// Publishes events that were written but not shown with some revisions: those of changes that were put off.
  private func publish(_ events: [JobEvent], besides revisions: [Revision]) {
    let shown = Set(revisions.flatMap { $0.events.compactMap(\.number) })
    guard events.count > shown.count else { return }
    bus.publish(
      events.lazy.filter { !($0.number.map(shown.contains) ?? false) }.compactMap { [cache] event in
        cache.read { $0.jobs[event.job] }.map { EventBus.Change(job: $0, events: [event]) }
      })
  }
}

import ConnectorAPI
import Foundation
import JobModel
import Logging
import Shell
import Support

/// Looks after one server: makes it ready, starts and ends jobs on it, and sees what becomes of them.
///
/// A job's end is pushed to us through one channel that is kept, and looked at at once; a sweep of all jobs in one
/// command is the safety net. What cannot be asked is not answered: while the server is away its jobs are unknown, it
/// gets no new ones, and it is tried again and again.
actor ServerController {
  nonisolated let name: String
  nonisolated let spec: Shared<ServerSpec>
  nonisolated let status = Shared(ServerStatus())
  /// The jobs that it was given and that are not over, as they were when they last changed.
  nonisolated let jobs = Shared<[JobID: Job]>([:])
  /// The controllers of other places of the same server.
  nonisolated let neighbors = Shared<[ServerController]>([])

  nonisolated let gpus: GPUMonitor
  nonisolated let control: JobControl
  nonisolated let files: JobFiles
  nonisolated let reader: AttemptReader
  nonisolated let sweeper: Sweeper

  private let shell: ServerShell
  private let contact: ServerContact
  private let root: RootOwnership
  private let holdings: Holdings
  private let history = AttemptHistory()
  private let starter: JobStarter
  private let hints = EndHints()
  private let listener: EndListener
  private let board: any JobBoard
  private let recall: FleetRecall
  private let configuration: GPUConnector.Configuration
  private let logger: Logger
  /// Called when something may have become free, or may be used again.
  private let onChange: @Sendable () -> Void

  private nonisolated let isRetired = Shared(false)
  private nonisolated let wakeup = Wakeup()
  private var lookPause: LookPause
  /// When all jobs are to be looked at again.
  private var nextSweep = ContinuousClock.now

  init(
    _ spec: ServerSpec, runner: any Runner, board: any JobBoard, recall: FleetRecall,
    configuration: GPUConnector.Configuration, logger: Logger, onChange: @escaping @Sendable () -> Void
  ) {
    name = spec.name
    self.spec = Shared(spec)
    self.board = board
    self.recall = recall
    self.configuration = configuration
    self.onChange = onChange
    lookPause = LookPause(upTo: configuration.sweepInterval)
    var logger = logger
    logger[metadataKey: "server"] = "\(spec.name)"
    self.logger = logger
    shell = ServerShell(self.spec, status: status, runner: runner)
    contact = ServerContact(shell, status: status, logger: logger)
    root = RootOwnership(
      configuration.owner, patience: configuration.ownerPatience, status: status, logger: logger)
    reader = AttemptReader(name: spec.name, status: status)
    sweeper = Sweeper(shell: shell, reader: reader, logger: logger)
    holdings = Holdings(jobs: jobs, status: status, neighbors: neighbors)
    gpus = GPUMonitor(
      shell, spec: self.spec, status: status, holdings: holdings, interval: configuration.sweepInterval,
      onChange: onChange)
    files = JobFiles(shell: shell, status: status)
    let starter = JobStarter(
      .init(
        shell: shell, spec: self.spec, status: status, board: board, root: root, contact: contact, history: history,
        reader: reader, wakeup: wakeup, configuration: configuration, logger: logger, onChange: onChange))
    self.starter = starter
    control = JobControl(shell, grace: configuration.grace, wakeup: wakeup, isStarting: starter.isStarting)
    listener = EndListener(shell, status: status, jobs: jobs, hints: hints, wakeup: wakeup, logger: logger)
  }

  /// Looks after the server until the task is cancelled, or it is retired.
  func serve() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.listener.listen() }
      group.addTask { await self.gpus.watch() }
      while !Task.isCancelled, !isRetired.value { await look() }
      group.cancelAll()
    }
  }

  /// Has it looked after no longer.
  nonisolated func retire() {
    isRetired.change { $0 = true }
    neighbors.change { $0 = [] }
    poke()
  }

  /// Takes over what the servers file says of it now. Even if that is nothing new, it is tried anew.
  nonisolated func use(_ new: ServerSpec, makeRunner: (ServerSpec) -> any Runner) {
    let old = spec.change { spec in
      defer { spec = new }
      return spec
    }
    status.change { $0.quarantine = nil }
    defer { poke() }
    if old.login != new.login || old.jump != new.jump || old.root != new.root {
      shell.use(makeRunner(new))
      status.change { status in
        status.facts = nil
        status.isListed = false
      }
    }
  }

  /// The server's name and its place.
  nonisolated var identity: String { name + (spec.value.place.map { " at \($0)" } ?? "") }

  /// Whether its jobs were listed and looked at, and its GPUs too.
  nonisolated var isReady: Bool {
    let status = status.value
    return status.failure == nil && status.facts != nil && status.isListed && status.lastLook != nil && gpus.isRead
  }

  /// Asks for a look at all jobs soon.
  nonisolated func poke() { wakeup.signal() }

  /// What the server has, and what of it is free.
  /// - Parameter isOpen: whether new jobs may start there at all.
  nonisolated func capacity(isOpen: Bool) -> ServerCapacity {
    let status = status.value
    return spec.value.capacity(
      gpus.inventory, status.facts, running: holdings.needs,
      isUsable: isOpen && status.obstacle() == nil && status.lastLook != nil && gpus.isRead)
  }

  /// Starts a job that was given this server; see ``JobStarter/start(_:)``.
  func start(_ placed: Job) async {
    guard let outcome = await starter.start(placed) else { return }
    if outcome == .started, board.job(placed.id)?.state == .canceling { Task { try? await control.cancel(placed) } }
    if hints.startAnswered(placed.attemptID) || outcome == .unknown { poke() }
  }

  // MARK: Looking

  private func look() async {
    let began = ContinuousClock.now
    var pause = configuration.sweepInterval
    var isVain = false
    do throws(BackendError) {
      if status.value.facts == nil { try await prepare() }
      let ended = hints.take(starting: Set(starter.starting.compactMap { jobs.value[$0]?.attemptID }))
      if !ended.isEmpty, began < nextSweep {
        let jobs = jobs.value.values.filter { ended.contains($0.attemptID) }
        if !jobs.isEmpty { try await sweep(jobs) }
        isVain = !jobs.contains { board.job($0.id)?.state.isTerminal ?? true }
        pause = max(.zero, nextSweep - .now)
      } else {
        try await sweepAll(began)
        pause = SweepPause.after(cost: .now - began, interval: pause)
        nextSweep = .now + pause
        let interval = nextSweep - began
        status.change { $0.lookInterval = interval }
      }
      contact.answered()
    } catch {
      guard !Task.isCancelled else { return }
      contact.lost(error.description)
      nextSweep = .now
      pause = contact.pause
    }
    status.change { $0.isTried = true }
    onChange()
    let least = lookPause.next(cost: .now - began, isVain: isVain)
    try? await Task.sleep(for: least)
    guard hints.isEmpty else { return }
    await wakeup.sleep(for: max(.zero, pause - least))
  }

  /// Makes the server ready, and lists what runs there.
  private func prepare() async throws(BackendError) {
    let facts = try await shell.prepareRoot()
    let skew = facts.now.timeIntervalSince(Date())
    let known = Dictionary(jobs.value.values.map { ($0.submissionToken, $0.attempt) }, uniquingKeysWith: max)
    let strangers = try await sweeper.strangers(of: facts, known: known)
    status.change { status in
      status.strangers = strangers
      status.facts = facts
      status.failure = nil
      status.skew = skew
      status.isListed = true
    }
    gpus.renewReading()
    logger.info(
      "the server is ready",
      metadata: ["root": "\(facts.root)", "cpus": "\(facts.cpus)", "memory": "\(facts.memoryMB)"])
  }

  private func sweepAll(_ began: ContinuousClock.Instant) async throws(BackendError) {
    let starting = starter.starting
    let jobs = jobs.value.values.filter { !starting.contains($0.id) }
    // One that was adopted meanwhile is asked for once.
    let known = Set(self.jobs.value.values.map(\.attemptID))
    let strangers = status.value.strangers.filter { $0.value.isLive && !known.contains($0.key) }
    let missing = try await sweep(Array(jobs), strangers: strangers.map(\.key))
    status.change { status in
      status.lastLook = began
      status.missing = missing
    }
  }

  /// Looks at some jobs in one command, or as few as a command line allows.
  /// - Returns: those of which nothing is there.
  @discardableResult
  private func sweep(_ jobs: [Job], strangers: [AttemptID] = []) async throws(BackendError) -> Set<JobID> {
    let facts = try shell.ready()
    let asked = jobs.map(\.attemptID) + strangers
    var missing: Set<JobID> = []
    // Without a job, too: each sweep renews the owner record.
    for some in asked.isEmpty ? [[]] : Sweeper.parts(asked) {
      let answer = try await sweeper.sweep(some, of: facts, claim: root.sweepWords())
      try root.note(answer.owner)
      missing.formUnion(await take(answer, jobs))
    }
    return missing
  }

  /// Reports what a sweep says, and does what follows from it.
  private func take(_ answer: SweepAnswer, _ jobs: [Job]) async -> Set<JobID> {
    var reports: [JobID: JobReport] = [:]
    var missing: Set<JobID> = []
    for job in jobs {
      guard let said = answer.attempts[job.attemptID] else { continue }
      let state = history.corrected(said, of: job.attemptID, on: status.value.facts?.machine)
      if let report = reader.report(of: job, state, now: answer.now) { reports[job.id] = report }
      if state.isMissing(job) { missing.insert(job.id) }
      follow(job, state)
    }
    note(answer)
    await board.report(reports, at: Date())
    await control.keep(Set(self.jobs.value.keys))
    return missing
  }

  /// Notes what a sweep says of damage, and of strangers.
  private func note(_ answer: SweepAnswer) {
    let known = Set(jobs.value.values.map(\.attemptID))
    for (id, words) in status.change({ $0.noteDamage(answer, known: known) }) {
      logger.error("job \(id.job): \(words)")
    }
    let now = ContinuousClock.now
    let before = holdings.strangers
    status.change { status in
      for (id, state) in answer.attempts { status.strangers[id]?.isLive = state.isLive }
      // By now they have been adopted, or will not be.
      status.strangers = status.strangers.filter { $0.value.isLive || now - $0.value.seen < .seconds(60) }
    }
    let after = holdings.strangers
    gpus.release(before.filter { after[$0.key] == nil }.values.flatMap { $0.report.devices ?? [] })
    history.keep(known)
  }

  /// What has to be done about a job in that state.
  private func follow(_ job: Job, _ state: AttemptState) {
    if state != .claimed { history.endClaim(of: job.attemptID) }
    switch state {
    case .absent where !recall.isFinished: break
    case .absent where job.hasRun, .claimed where job.hasRun: break
    case .absent:
      // What was to start it has not come to the server, or not yet.
      if job.state == .canceling || job.state == .starting && status.value.isQuarantined {
        Task { await starter.void(job) }
      } else if job.state == .starting {
        Task { await start(job) }
      }
    case .claimed:
      let age = history.noteClaim(of: job.attemptID)
      if age > configuration.claimPatience || job.state == .canceling { Task { await starter.void(job) } }
    case .running, .suspended, .orphaned, .damaged:
      if job.state == .canceling { Task { await control.repeatCancel(job) } }
    case .ended(let record, _):
      if record.isVoid, job.state == .starting || job.state == .canceling {
        Task { await board.putBack(job, reason: "its start was given up", asNextAttempt: true) }
      }
    case .rebooted, .vanished, .gone, .elsewhere: break
    }
  }
}

import ConnectorSupport
import Foundation
import JobModel
import Jobs
import Logging
import ScriptTemplates
import Shell

/// Looks after one server: makes it ready, starts and ends jobs on it, and sees what becomes of them.
///
/// A job's end is pushed to us through one channel that is kept, and looked at at once; a sweep of all jobs in one
/// command is the safety net. What cannot be asked is not answered: while the server is away its jobs are unknown, it
/// gets no new ones, and it is tried again and again.
actor ServerAgent {
  nonisolated let name: String
  nonisolated let spec: Shared<ServerSpec>
  nonisolated let status = Shared(ServerStatus())
  nonisolated let gpuStatus = Shared(GPUStatus())
  /// The jobs that it was given and that are not over, as they were when they last changed.
  nonisolated let jobs = Shared<[JobID: Job]>([:])

  /// The agents of other places of the same server.
  nonisolated let neighbors = Shared<[ServerAgent]>([])

  nonisolated let runner: Shared<any Runner>
  let board: JobBoard
  let recall: FleetRecall
  let configuration: GPUConnector.Configuration
  let logger: Logger
  /// Called when something may have become free, or may be used again.
  let onChange: @Sendable () -> Void

  private nonisolated let isRetired = Shared(false)
  private nonisolated let wakeup = Wakeup()
  nonisolated let gpuWakeup = Wakeup()
  /// The attempts that are said to have ended and have not been looked at since.
  private nonisolated let hints = Shared<Set<AttemptID>>([])
  /// Those of them whose start has not been answered yet.
  var earlyHints: Set<AttemptID> = []
  private var notices = EndNotices()
  private var lookPause: LookPause
  /// When all jobs are to be looked at again.
  private var nextSweep = ContinuousClock.now
  private var failures = 0
  var startFailures = 0
  var quarantines = 0
  /// Since when something of a job cannot be read on this machine.
  var unreadable: [JobID: ContinuousClock.Instant] = [:]
  /// The jobs whose start is under way.
  var starting: Set<JobID> = []
  /// When a job was last told to end.
  var canceled: [JobID: ContinuousClock.Instant] = [:]
  /// Whose the job root is.
  var rootClaim = RootClaim()
  /// Since when an attempt is seen that has begun nothing.
  var claimed: [AttemptID: ContinuousClock.Instant] = [:]
  /// On which machine an attempt was seen to run: an address may lead to several.
  var ranOn: [AttemptID: String] = [:]

  init(
    _ spec: ServerSpec, runner: any Runner, board: JobBoard, recall: FleetRecall,
    configuration: GPUConnector.Configuration, logger: Logger, onChange: @escaping @Sendable () -> Void
  ) {
    name = spec.name
    self.spec = Shared(spec)
    self.runner = Shared(runner)
    self.board = board
    self.recall = recall
    self.configuration = configuration
    self.onChange = onChange
    lookPause = LookPause(upTo: configuration.sweepInterval)
    var logger = logger
    logger[metadataKey: "server"] = "\(spec.name)"
    self.logger = logger
  }

  // MARK: Looking

  /// Looks after the server until the task is cancelled, or it is retired.
  func serve() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.listen() }
      group.addTask { await self.watchGPUs() }
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
      let runner = makeRunner(new)
      self.runner.change { $0 = runner }
      status.change { status in
        status.facts = nil
        status.isListed = false
      }
    }
  }

  /// Asks for a look at all jobs soon.
  nonisolated func poke() { wakeup.signal() }

  private func look() async {
    let began = ContinuousClock.now
    var pause = configuration.sweepInterval
    var isVain = false
    do throws(BackendError) {
      if status.value.facts == nil { try await prepare() }
      let ended = takeHints()
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
      if failures > 0 { logger.notice("the server answers again") }
      failures = 0
    } catch {
      guard !Task.isCancelled else { return }
      lost(error.description)
      nextSweep = .now
      pause = min(.seconds(30), .seconds(1) * (1 << min(failures, 5)))
      pause = pause * Double.random(in: 0.75...1)
    }
    status.change { $0.isTried = true }
    onChange()
    let least = lookPause.next(cost: .now - began, isVain: isVain)
    try? await Task.sleep(for: least)
    guard hints.value.isEmpty else { return }
    await wakeup.sleep(for: max(.zero, pause - least))
  }

  /// The attempts that are said to have ended. What ends before its start was answered is looked at once that is.
  private func takeHints() -> Set<AttemptID> {
    let all = hints.change { hints in
      defer { hints = [] }
      return hints
    }
    guard !all.isEmpty, !starting.isEmpty else { return all }
    let early = all.intersection(starting.compactMap { jobs.value[$0]?.attemptID })
    earlyHints.formUnion(early)
    return all.subtracting(early)
  }

  func lost(_ words: String) {
    failures += 1
    let reason = words.hasPrefix(name + ": ") ? String(words.dropFirst(name.count + 2)) : words
    let isNews = status.change { status in
      defer {
        status.failure = reason
        status.facts = nil
      }
      return status.failure != reason
    }
    guard isNews else { return }
    // A failure of SSH itself is in the log already.
    let isLogged = runner.value.statusLines.contains { reason.contains($0) }
    logger.log(level: isLogged ? .debug : .warning, "the server cannot be used: \(reason)")
  }

  /// Makes the server ready, and lists what runs there.
  private func prepare() async throws(BackendError) {
    let facts = try await prepareRoot()
    let skew = facts.now.timeIntervalSince(Date())
    try await list(facts)
    status.change { status in
      status.facts = facts
      status.failure = nil
      status.skew = skew
      status.isListed = true
    }
    renewReading()
    logger.info(
      "the server is ready",
      metadata: ["root": "\(facts.root)", "cpus": "\(facts.cpus)", "memory": "\(facts.memoryMB)"])
  }

  private func list(_ facts: PrepareAnswer) async throws(BackendError) {
    let result = try await run(GPUScript.list, [facts.root], purpose: .observation, limit: 256 << 20)
    let answer = try understood { () throws(MalformedAnswer) in try ListAnswer(result.stdout) }
    let known = Dictionary(jobs.value.values.map { ($0.submissionToken, $0.attempt) }, uniquingKeysWith: max)
    var entries: [AttemptID: ListAnswer.Entry] = [:]
    for entry in answer.entries {
      // Of a store that is older than the server, the latest attempt is not known.
      if let attempt = entry.attempt, attempt.number > known[entry.job] ?? 0 {
        entries[AttemptID(job: entry.job, number: attempt.number)] = entry
      }
    }
    let asked = Array(entries.keys)
    let now = ContinuousClock.now
    var strangers: [AttemptID: ServerStatus.Stranger] = [:]
    for start in stride(from: 0, to: asked.count, by: Self.attemptsPerSweep) {
      let some = Array(asked[start..<min(start + Self.attemptsPerSweep, asked.count)])
      let result = try await run(
        GPUScript.sweep, [facts.root, "0", facts.machine, "", ""] + some.map(\.description), timeout: .seconds(25),
        purpose: .observation)
      let states = try understood { () throws(MalformedAnswer) in
        try SweepAnswer(result.stdout, asked: some, asksSMI: false)
      }
      for (id, state) in states.attempts {
        guard let entry = entries[id],
          let sighting = sighting(of: entry, state, machine: facts.machine, now: states.now)
        else { continue }
        strangers[id] = .init(sighting: sighting, isLive: state.isLive, seen: now)
      }
    }
    let found = strangers
    status.change { $0.strangers = found }
  }

  /// As many as fit on one command line.
  static let attemptsPerSweep = 1500

  private func sweepAll(_ began: ContinuousClock.Instant) async throws(BackendError) {
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
    let facts = try ready()
    let asked = jobs.map(\.attemptID) + strangers
    var missing: Set<JobID> = []
    var start = 0
    repeat {
      let some = Array(asked[start..<min(start + Self.attemptsPerSweep, asked.count)])
      let claim = [facts.machine, rootClaim.next(configuration.owner), rootClaim.stale(configuration.ownerPatience)]
      let result = try await run(
        GPUScript.sweep, [facts.root, "0"] + claim + some.map(\.description), timeout: .seconds(25),
        purpose: .observation)
      let answer = try understood { () throws(MalformedAnswer) in
        try SweepAnswer(result.stdout, asked: some, asksSMI: false)
      }
      try noteOwner(answer.owner)
      missing.formUnion(await take(answer, jobs))
      start += some.count
    } while start < asked.count
    return missing
  }

  /// Reports what a sweep says, and does what follows from it.
  private func take(_ answer: SweepAnswer, _ jobs: [Job]) async -> Set<JobID> {
    var sightings: [JobID: Sighting] = [:]
    var missing: Set<JobID> = []
    for job in jobs {
      guard let said = answer.attempts[job.attemptID] else { continue }
      let state = corrected(said, of: job.attemptID)
      if let sighting = sighting(of: job, state, now: answer.now) { sightings[job.id] = sighting }
      if isMissing(job, state) { missing.insert(job.id) }
      follow(job, state)
    }
    noteDamage(answer)
    let now = ContinuousClock.now
    let before = strangers
    status.change { status in
      for (id, state) in answer.attempts { status.strangers[id]?.isLive = state.isLive }
      // By now they have been adopted, or will not be.
      status.strangers = status.strangers.filter { $0.value.isLive || now - $0.value.seen < .seconds(60) }
    }
    release(before.filter { strangers[$0.key] == nil }.values.flatMap { $0.sighting.devices ?? [] })
    let known = Set(self.jobs.value.values.map(\.attemptID))
    for id in claimed.keys where !known.contains(id) { claimed[id] = nil }
    for id in ranOn.keys where !known.contains(id) { ranOn[id] = nil }
    for key in canceled.keys where self.jobs.value[key] == nil { canceled[key] = nil }
    await board.report(sightings, at: Date())
    return missing
  }

  /// What has to be done about a job in that state.
  private func follow(_ job: Job, _ state: AttemptState) {
    if state != .claimed { claimed[job.attemptID] = nil }
    switch state {
    case .absent where !recall.isFinished: break
    case .absent where hasRun(job), .claimed where hasRun(job): break
    case .absent:
      // What was to start it has not come to the server, or not yet.
      if job.state == .canceling || job.state == .starting && status.value.isQuarantined {
        Task { await void(job) }
      } else if job.state == .starting {
        Task { await start(job) }
      }
    case .claimed:
      let since = claimed[job.attemptID] ?? .now
      claimed[job.attemptID] = since
      if .now - since > configuration.claimPatience || job.state == .canceling { Task { await void(job) } }
    case .running, .suspended, .orphaned, .damaged:
      if job.state == .canceling, canceled[job.id].map({ .now - $0 > configuration.grace * 2 }) ?? true {
        Task { try? await cancel(job) }
      }
    case .ended(let record, _):
      if record.isVoid, job.state == .starting || job.state == .canceling {
        Task { await board.putBack(job, reason: "its start was given up", asNextAttempt: true) }
      }
    case .rebooted, .vanished, .gone, .elsewhere: break
    }
  }

  // MARK: Hearing of ends

  /// Has an attempt looked at once, since it is said to have ended.
  func noteEnd(of attempt: AttemptID) {
    hints.change { _ = $0.insert(attempt) }
    poke()
  }

  private func listen() async {
    var pause = Duration.seconds(1)
    while !Task.isCancelled {
      guard let facts = status.value.facts else {
        try? await Task.sleep(for: .milliseconds(200))
        continue
      }
      let began = ContinuousClock.now
      do {
        notices = EndNotices()
        _ = try await runner.value.stream(
          try Command.script(GPUScript.watch, [facts.root, facts.machine]), as: account, input: .open, timeout: nil,
          purpose: .observation
        ) { [weak self] bytes in await self?.hear(bytes) }
      } catch {
        logger.debug("exit notifications failed: \(error)")
      }
      poke()
      pause = .now - began > .seconds(60) ? .seconds(1) : min(pause * 2, .seconds(30))
      try? await Task.sleep(for: pause)
    }
  }

  /// While this takes time the server's words wait, so that a flood of them keeps nothing busy.
  private func hear(_ bytes: [UInt8]) async {
    let (isReady, ended) = notices.read(bytes)
    if !ended.isEmpty {
      let known = ended.intersection(jobs.value.values.map(\.attemptID))
      hints.change { $0.formUnion(known) }
      if !known.isEmpty { poke() }
    }
    // What has ended before it was listened to is seen by a sweep.
    if isReady { poke() }
    try? await Task.sleep(for: .milliseconds(10) * (bytes.count / 4096 + 1))
  }
}

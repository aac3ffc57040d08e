import ConnectorAPI
import Foundation
import JobModel
import Logging
import Shell
import Support

/// All servers, and the queue of the jobs that wait for one.
///
/// One pass after another: what has changed of the jobs is taken in, then those that can start are given their servers, in
/// the strict order of ``PlacementQueue``, on disk before anybody is told. A pass that finds nothing to do costs next to
/// nothing, so everything that may matter just asks for one.
actor Fleet {
  /// What is to be done after a pass, at the same time as all other things.
  enum Work: Sendable {
    case serve(ServerController)
    case start(Job, on: ServerController)
  }

  nonisolated let roster: ServerRoster
  private nonisolated let board: any JobBoard
  private nonisolated let recall: FleetRecall
  private let logger: Logger
  private nonisolated let changes = Shared<[Job]>([])
  private nonisolated let signal: AsyncStream<Void>
  private nonisolated let raise: AsyncStream<Void>.Continuation
  private var queue = PlacementQueue()
  /// Who looks after each job that has a server.
  private var homes: [JobID: ServerController] = [:]

  init(
    board: any JobBoard, configuration: GPUConnector.Configuration, logger: Logger,
    makeRunner: @escaping @Sendable (ServerSpec) -> any Runner
  ) {
    self.board = board
    self.logger = logger
    let recall = FleetRecall(patience: configuration.recallPatience, logger: logger)
    let (signal, raise) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    self.recall = recall
    self.signal = signal
    self.raise = raise
    roster = ServerRoster(makeRunner: makeRunner) { spec, runner in
      ServerController(
        spec, runner: runner, board: board, recall: recall, configuration: configuration, logger: logger
      ) { raise.yield() }
    }
  }

  /// What people are to know of the servers.
  nonisolated var health: FleetHealth { FleetHealth(roster: roster, recall: recall) }

  /// Works until the task is cancelled.
  func work() async {
    board.watch { [weak self] job in self?.note(job) }
    for job in board.living { note(job) }
    await withDiscardingTaskGroup { group in
      group.addTask { await self.recall.afterPatience { self.wake() } }
      for await _ in signal {
        for work in await pass() {
          switch work {
          case .serve(let controller): group.addTask { await controller.serve() }
          case .start(let job, let controller): group.addTask { await controller.start(job) }
          }
        }
      }
      group.cancelAll()
    }
  }

  nonisolated func wake() { raise.yield() }

  private nonisolated func note(_ job: Job) {
    changes.change { $0.append(job) }
    wake()
  }

  // MARK: Servers

  /// Makes the servers those of the file. One that is gone from it, or an earlier place of one, is looked after until its
  /// last job is over, and for an hour more, in which its jobs' output is asked for.
  func use(_ specs: [ServerSpec]) async {
    for spec in specs { for controller in roster.formerControllers(of: spec) { await keepPlaces(of: controller) } }
    // Nothing is waited for while they change: a controller that was made meanwhile would be lost.
    roster.use(specs)
    for job in board.living where !job.nodes.isEmpty { await take(job) }
    wake()
  }

  /// Writes down where the jobs of a controller are that were placed by an earlier release.
  private func keepPlaces(of controller: ServerController) async {
    guard let place = controller.spec.value.place else { return }
    for job in controller.jobs.value.values where job.place == nil {
      await board.relocate(job.id, to: place.outputPath(server: controller.name, token: job.submissionToken))
    }
  }

  /// The controller that looks after a job; see ``ServerRoster/home(of:)``.
  func home(of job: Job) -> ServerController? {
    let home = roster.home(of: job)
    if roster.hasNew { wake() }
    return home
  }

  /// Jobs whose server only got another name or address: their earlier place is not reached any more, and the present
  /// one has them.
  private func followMoves() async {
    for entry in roster.members where !entry.isListed && entry.controller.status.value.failure != nil {
      guard let present = roster.controller(entry.controller.name), present !== entry.controller,
        let place = present.spec.value.place
      else { continue }
      let strangers = present.status.value.strangers
      for job in entry.controller.jobs.value.values {
        guard let stranger = strangers[job.attemptID], stranger.isLive || stranger.report.source == "exit file" else {
          continue
        }
        logger.notice("\(job.key): found at the current place of \(present.name)")
        await board.relocate(job.id, to: place.outputPath(server: present.name, token: job.submissionToken))
        await take(job)
        present.poke()
      }
    }
  }

  // MARK: Placing

  private func pass() async -> [Work] {
    var work: [Work] = []
    await takeChanges()
    await followMoves()
    roster.retire()
    work += roster.takeNew().map { .serve($0) }
    guard await recalled(), !queue.isEmpty else { return work }
    let controllers = roster.members
    let placements = queue.plan(controllers.map { $0.controller.capacity(isOpen: $0.isListed) })
    guard !placements.isEmpty else { return work }
    let planned = placements.compactMap { placement -> JobPlacement? in
      guard let job = board.job(placement.job),
        let controller = controllers.first(where: { $0.controller.name == placement.server })?.controller
      else { return nil }
      let path = controller.spec.value.place?.outputPath(server: placement.server, token: job.submissionToken)
      return .init(
        job: job.id, machine: placement.server, devices: controller.gpus.devices(placement.gpus), outputPath: path)
    }
    for placement in placements { queue.remove(placement.job) }
    Checkpoint.reach("place.planned")
    let placed = await board.place(planned)
    // What still waits is put into the queue again: by then it may be held, or the disk have taken nothing.
    let given = Set(placed.map(\.id))
    let left = planned.filter { !given.contains($0.job) }.compactMap { board.job($0.job) }
    for job in left { await take(job) }
    guard !placed.isEmpty else { return work }
    for job in placed {
      Checkpoint.reach("place.written")
      await take(job)
      if let controller = homes[job.id] { work.append(.start(job, on: controller)) }
    }
    // There may be more that can start now: a plan is made of what was known before it was written.
    wake()
    return work
  }

  private func takeChanges() async {
    for job in changes.change({ jobs in
      defer { jobs = [] }
      return jobs
    }) { await take(job) }
  }

  /// Looks once, after a start, for jobs that may have run before it; see ``FleetRecall``.
  /// - Returns: whether jobs may be started now.
  private func recalled() async -> Bool {
    if recall.isFinished { return true }
    let listed = roster.listed
    let ready = listed.filter(\.isReady)
    guard ready.count == listed.count || !recall.isPatient else { return false }
    let old = board.living.filter { [.queued, .held, .starting, .canceling].contains($0.state) }
    let (reports, isComplete) = await recall.look(for: old, on: ready)
    guard isComplete || !recall.isPatient else { return false }
    await board.report(reports, at: .now)
    recall.finish()
    for job in old { await take(job) }
    await takeChanges()
    return true
  }

  /// Takes in what has become of a job.
  private func take(_ job: Job) async {
    // A later change of it may be here already.
    let job = board.job(job.id) ?? job
    let home = job.state.isTerminal ? nil : home(of: job)
    if let old = homes[job.id], old !== home {
      let left = old.jobs.change { $0.removeValue(forKey: job.id) }
      for controller in [old] + old.neighbors.value { controller.gpus.release(left?.devices ?? []) }
    }
    homes[job.id] = home
    if !job.state.isTerminal, !job.nodes.isEmpty {
      queue.remove(job.id)
      home?.jobs.change { $0[job.id] = job }
    } else if job.state == .queued {
      if !queue.contains(job.id) {
        queue.insert(job.id, priority: job.priority, need: Need(job.resources, [], job.input))
      }
    } else {
      queue.remove(job.id)
      // It may run on a server that has not been listed yet.
      if job.state == .canceling, recall.isFinished { await board.endUnplaced(job.id) }
    }
  }

  // MARK: Jobs

  nonisolated func payload(of job: Job) async throws(PayloadError) -> JobPayload {
    try await board.payload(of: job)
  }

  nonisolated func current(_ job: Job) -> Job? { board.job(job.id) }

  /// A job's place among those that wait, from 1, and how many they are.
  func place(of job: Job) async -> (place: Int, count: Int)? {
    await takeChanges()
    let ids = queue.ids
    return ids.firstIndex(of: job.id).map { ($0 + 1, ids.count) }
  }
}

import Foundation
import JobModel
import Jobs
import Logging
import Shell

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

  nonisolated let board: JobBoard
  private let configuration: GPUConnector.Configuration
  let makeRunner: @Sendable (ServerSpec) -> any Runner
  let logger: Logger
  nonisolated let recall: FleetRecall
  private nonisolated let changes = Shared<[Job]>([])
  private nonisolated let signal: AsyncStream<Void>
  private nonisolated let raise: AsyncStream<Void>.Continuation
  /// In the order of preference, those that are leaving, and earlier places, at the end.
  nonisolated let controllers = Shared<[Member]>([])

  struct Member: Sendable {
    let controller: ServerController
    /// Whether the servers file names it, in this place.
    var isListed: Bool
  }

  private var queue = PlacementQueue()
  /// Who looks after each job that has a server.
  private var homes: [JobID: ServerController] = [:]
  private var newControllers: [ServerController] = []
  /// Since when servers that are gone from the file, or earlier places, have no jobs.
  private var drained: [ObjectIdentifier: ContinuousClock.Instant] = [:]

  init(
    board: JobBoard, configuration: GPUConnector.Configuration, logger: Logger,
    makeRunner: @escaping @Sendable (ServerSpec) -> any Runner
  ) {
    self.board = board
    self.configuration = configuration
    self.logger = logger
    self.makeRunner = makeRunner
    recall = FleetRecall(patience: configuration.recallPatience)
    (signal, raise) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

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

  func makeController(_ spec: ServerSpec) -> ServerController {
    let controller = ServerController(
      spec, runner: makeRunner(spec), board: board, recall: recall, configuration: configuration, logger: logger
    ) { [weak self] in self?.wake() }
    newControllers.append(controller)
    return controller
  }

  nonisolated func controller(_ name: String?) -> ServerController? {
    controllers.value.first { $0.controller.name == name }?.controller
  }

  // MARK: Placing

  private func pass() async -> [Work] {
    var work: [Work] = []
    await takeChanges()
    await followMoves()
    retire()
    work += newControllers.map { .serve($0) }
    newControllers = []
    guard await recalled(), !queue.isEmpty else { return work }
    let controllers = controllers.value
    let placements = queue.plan(controllers.map { $0.controller.capacity(isOpen: $0.isListed) })
    guard !placements.isEmpty else { return work }
    let planned = placements.compactMap { placement -> JobBoard.Placement? in
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

  func takeChanges() async {
    for job in changes.change({ jobs in
      defer { jobs = [] }
      return jobs
    }) { await take(job) }
  }

  private func retire() {
    let leavers = controllers.value.filter { !$0.isListed && $0.controller.jobs.value.isEmpty }
    drained = Dictionary(
      uniqueKeysWithValues: leavers.map { entry in
        let id = ObjectIdentifier(entry.controller)
        return (id, drained[id] ?? .now)
      })
    for leaver in leavers {
      guard let since = drained[ObjectIdentifier(leaver.controller)], .now - since > .seconds(3600) else { continue }
      leaver.controller.retire()
      controllers.change { $0.removeAll { $0.controller === leaver.controller } }
      introduce()
    }
  }

  /// Takes in what has become of a job.
  func take(_ job: Job) async {
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
        queue.insert(job.id, priority: job.priority, need: Need(job.needs, [], job.input))
      }
    } else {
      queue.remove(job.id)
      // It may run on a server that has not been listed yet.
      if job.state == .canceling, recall.isFinished { await board.endUnplaced(job.id) }
    }
  }

  /// A job's place among those that wait, from 1, and how many they are.
  func place(of job: Job) async -> (place: Int, count: Int)? {
    await takeChanges()
    let ids = queue.ids
    return ids.firstIndex(of: job.id).map { ($0 + 1, ids.count) }
  }
}

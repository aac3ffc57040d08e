import Foundation
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
    case serve(ServerAgent)
    case start(Job, on: ServerAgent)
  }

  nonisolated let board: JobBoard
  private let configuration: GPUConnector.Configuration
  private let makeRunner: @Sendable (ServerSpec) -> any Runner
  let logger: Logger
  nonisolated let recall: FleetRecall
  private nonisolated let changes = Shared<[Job]>([])
  private nonisolated let signal: AsyncStream<Void>
  private nonisolated let raise: AsyncStream<Void>.Continuation
  /// In the order of preference, those that are leaving at the end.
  nonisolated let agents = Shared<[Agent]>([])

  struct Agent: Sendable {
    let agent: ServerAgent
    /// Whether it stands in the servers file.
    var isListed: Bool
  }

  private var queue = PlacementQueue()
  private var waiting: [String: JobKey] = [:]
  /// Where each job is that has a server.
  private var places: [JobKey: String] = [:]
  private var newAgents: [ServerAgent] = []
  /// Since when servers that are gone from the file have no jobs.
  private var drained: [String: ContinuousClock.Instant] = [:]

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
          case .serve(let agent): group.addTask { await agent.serve() }
          case .start(let job, let agent): group.addTask { await agent.start(job) }
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

  /// Makes the servers those of the file. One that is gone from it is looked after until its last job is over, and for
  /// an hour more, in which its jobs' output is asked for.
  func use(_ specs: [ServerSpec]) {
    var agents = agents.value
    let names = Set(specs.map(\.name))
    for index in agents.indices { agents[index].isListed = names.contains(agents[index].agent.name) }
    var ordered: [Agent] = []
    for spec in specs {
      if let known = agents.first(where: { $0.agent.name == spec.name }) {
        known.agent.use(spec, makeRunner: makeRunner)
        ordered.append(known)
      } else {
        ordered.append(Agent(agent: makeAgent(spec), isListed: true))
      }
    }
    ordered += agents.filter { !$0.isListed }
    let all = ordered
    self.agents.change { $0 = all }
    wake()
  }

  private func makeAgent(_ spec: ServerSpec) -> ServerAgent {
    let agent = ServerAgent(
      spec, runner: makeRunner(spec), board: board, recall: recall, configuration: configuration, logger: logger
    ) { [weak self] in self?.wake() }
    for (key, name) in places where name == spec.name {
      if let job = board.job(key) { agent.jobs.change { $0[key] = job } }
    }
    newAgents.append(agent)
    return agent
  }

  nonisolated func agent(_ name: String?) -> ServerAgent? {
    agents.value.first { $0.agent.name == name }?.agent
  }

  // MARK: Placing

  private func pass() async -> [Work] {
    var work: [Work] = newAgents.map { .serve($0) }
    newAgents = []
    await takeChanges()
    retire()
    guard await recalled(), !queue.isEmpty else { return work }
    let agents = agents.value
    let placements = queue.plan(agents.map { $0.agent.capacity(isOpen: $0.isListed) })
    guard !placements.isEmpty else { return work }
    let planned = placements.compactMap { placement -> JobBoard.Placement? in
      guard let key = waiting[placement.job],
        let agent = agents.first(where: { $0.agent.name == placement.server })?.agent
      else { return nil }
      return .init(key: key, machine: placement.server, devices: agent.devices(placement.gpus))
    }
    for placement in placements { forget(placement.job) }
    Checkpoint.reach("place.planned")
    let placed = await board.place(planned)
    // What still waits is put into the queue again: by then it may be held, or the disk have taken nothing.
    let given = Set(placed.map(\.key))
    let left = planned.filter { !given.contains($0.key) }.compactMap { board.job($0.key) }
    for job in left { await take(job) }
    guard !placed.isEmpty else { return work }
    for job in placed {
      Checkpoint.reach("place.written")
      await take(job)
      if let agent = agent(job.nodes.first) { work.append(.start(job, on: agent)) }
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
    let leavers = agents.value.filter { !$0.isListed && $0.agent.jobs.value.isEmpty }
    drained = Dictionary(uniqueKeysWithValues: leavers.map { ($0.agent.name, drained[$0.agent.name] ?? .now) })
    for leaver in leavers {
      guard let since = drained[leaver.agent.name], .now - since > .seconds(3600) else { continue }
      leaver.agent.retire()
      agents.change { $0.removeAll { $0.agent === leaver.agent } }
    }
  }

  private func forget(_ id: String) {
    queue.remove(id)
    waiting[id] = nil
  }

  /// Takes in what has become of a job.
  func take(_ job: Job) async {
    // A later change of it may be here already.
    let job = board.job(job.key) ?? job
    let place = job.state.isTerminal ? nil : job.nodes.first
    if let old = places[job.key], old != place, let agent = agent(old) {
      let left = agent.jobs.change { $0.removeValue(forKey: job.key) }
      agent.release(left?.devices ?? [])
    }
    places[job.key] = place
    if let place {
      forget(job.id)
      agent(place)?.jobs.change { $0[job.key] = job }
    } else if job.state == .queued {
      if !queue.contains(job.id) {
        queue.insert(job.id, priority: job.priority, need: Need(job.needs, [], job.input))
        waiting[job.id] = job.key
      }
    } else {
      forget(job.id)
      // It may run on a server that has not been listed yet.
      if job.state == .canceling, recall.isFinished { await board.endUnplaced(job.key) }
    }
  }

  /// A job's place among those that wait, from 1, and how many they are.
  func place(of job: Job) async -> (place: Int, count: Int)? {
    await takeChanges()
    let ids = queue.ids
    return ids.firstIndex(of: job.id).map { ($0 + 1, ids.count) }
  }
}

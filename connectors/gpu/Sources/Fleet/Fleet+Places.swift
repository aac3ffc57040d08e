import JobModel
import Jobs

/// Servers and their places. A server of the file has one agent for the place that the file names, and one for each
/// earlier place in which it still has jobs.
extension Fleet {
  /// Makes the servers those of the file. One that is gone from it, or an earlier place of one, is looked after until its
  /// last job is over, and for an hour more, in which its jobs' output is asked for.
  func use(_ specs: [ServerSpec]) async {
    for spec in specs { for entry in formerAgents(of: spec) { await keepPlaces(of: entry.agent) } }
    // From here on nothing is waited for: an agent that was made meanwhile would be lost.
    let known = agents.value
    var ordered: [Agent] = []
    for spec in specs {
      let former = formerAgents(of: spec)
      if let same = known.first(where: { $0.agent.name == spec.name && $0.agent.spec.value.place == spec.place }) {
        same.agent.use(spec, makeRunner: makeRunner)
        ordered.append(Agent(agent: same.agent, isListed: true))
      } else {
        ordered.append(Agent(agent: makeAgent(spec), isListed: true))
      }
      for entry in former {
        guard let place = entry.agent.spec.value.place else { continue }
        entry.agent.use(spec.former(at: place), makeRunner: makeRunner)
      }
    }
    let listed = ordered.map(\.agent)
    ordered += known.filter { entry in !listed.contains { $0 === entry.agent } }
      .map { Agent(agent: $0.agent, isListed: false) }
    let all = ordered
    agents.change { $0 = all }
    introduce()
    for job in board.living where !job.nodes.isEmpty { await take(job) }
    wake()
  }

  /// The agents of other places of a server.
  private func formerAgents(of spec: ServerSpec) -> [Agent] {
    agents.value.filter { $0.agent.name == spec.name && $0.agent.spec.value.place != spec.place }
  }

  /// Writes down where the jobs of an agent are that were placed by an earlier release.
  private func keepPlaces(of agent: ServerAgent) async {
    guard let place = agent.spec.value.place else { return }
    for job in agent.jobs.value.values where job.place == nil {
      await board.relocate(job.id, to: place.outputPath(server: agent.name, token: job.submissionToken))
    }
  }

  /// Lets all agents of one server know of each other: they have one machine.
  func introduce() {
    let all = agents.value.map(\.agent)
    for agent in all {
      let others = all.filter { $0.name == agent.name && $0 !== agent }
      agent.neighbors.change { $0 = others }
    }
  }

  /// The agent that looks after a job, or did: that of the place where it was started, else the server's first.
  nonisolated func agent(of job: Job) -> ServerAgent? {
    guard let name = job.nodes.first else { return nil }
    let agents = agents.value.map(\.agent).filter { $0.name == name }
    return job.place.flatMap { place in agents.first { $0.spec.value.place == place } } ?? agents.first
  }

  /// The same, with an agent for an earlier place where there was none: after a restart.
  func home(of job: Job) -> ServerAgent? {
    guard let found = agent(of: job) else { return nil }
    guard let place = job.place, let present = found.spec.value.place, present != place else { return found }
    let former = makeAgent(found.spec.value.former(at: place))
    agents.change { $0.append(Agent(agent: former, isListed: false)) }
    introduce()
    wake()
    return former
  }

  /// Jobs whose server only got another name or address: their earlier place is not reached any more, and the present
  /// one has them.
  func followMoves() async {
    for entry in agents.value where !entry.isListed && entry.agent.status.value.failure != nil {
      guard let present = agent(entry.agent.name), present !== entry.agent, let place = present.spec.value.place else {
        continue
      }
      let strangers = present.status.value.strangers
      for job in entry.agent.jobs.value.values {
        guard let stranger = strangers[job.attemptID], stranger.isLive || stranger.sighting.source == "exit file" else {
          continue
        }
        logger.notice("\(job.key): found at the current place of \(present.name)")
        await board.relocate(job.id, to: place.outputPath(server: present.name, token: job.submissionToken))
        await take(job)
        present.poke()
      }
    }
  }
}

extension ServerAgent {
  /// The server's name and its place.
  nonisolated var identity: String { name + (spec.value.place.map { " at \($0)" } ?? "") }
}

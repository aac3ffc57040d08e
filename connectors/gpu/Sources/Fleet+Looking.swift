import Jobs

extension Fleet {
  nonisolated func payload(of job: Job) async throws -> JobBoard.Payload { try await board.payload(of: job) }

  nonisolated func current(_ job: Job) -> Job? { board.job(job.key) }

  /// What is wrong with single servers and GPUs, a sentence each.
  nonisolated var troubles: [String] {
    agents.value.flatMap { entry -> [String] in
      let agent = entry.agent
      let status = agent.status.value
      guard status.isTried, agent.spec.value.isEnabled, entry.isListed || !agent.jobs.value.isEmpty else { return [] }
      let damaged = status.damageWords.map { ["\(agent.name): \($0)"] } ?? []
      if let obstacle = status.obstacle() { return ["\(agent.name): \(obstacle)"] + damaged }
      var troubles = agent.inventory.gpus.compactMap { gpu in
        gpu.trouble.map { "\(agent.name), GPU \(gpu.index.map(String.init) ?? gpu.uuid ?? "?"): \($0)" }
      }
      troubles += damaged
      if abs(status.skew) > 30 {
        troubles.append("\(agent.name): its clock differs from ours by \(Int(status.skew)) s; jobs bear its times")
      }
      return troubles
    }
  }

  /// Why no job can start at all; nil when one could.
  nonisolated var outage: String? {
    let all = agents.value.filter { $0.isListed && $0.agent.spec.value.isEnabled }
    guard !all.isEmpty else { return "there is no server that is enabled" }
    let obstacles = all.compactMap { entry in entry.agent.status.value.obstacle().map { "\(entry.agent.name): \($0)" } }
    return obstacles.count == all.count ? obstacles.joined(separator: "; ") : nil
  }
}

extension Inventory.GPU {
  /// Why it is not given out though no job of ours holds it; nil when it could be.
  var trouble: String? {
    switch state {
    case .free, .allocated, .unknown: nil
    case .usedByOthers(let pid?, let user, _):
      "in use by process \(pid)\(user.map { " of \($0)" } ?? ""), which is no job of Weir's"
    case .usedByOthers(nil, _, let memory):
      "\(memory.map { "\($0) MiB of its memory are" } ?? "it is") in use by others"
    case .missing(let reason), .failed(let reason): reason
    }
  }
}

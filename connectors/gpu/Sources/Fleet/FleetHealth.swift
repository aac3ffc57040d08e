import ConnectorAPI

/// What people are to know of the servers.
struct FleetHealth: Sendable {
  let roster: ServerRoster
  let recall: FleetRecall

  var issues: [HealthIssue] {
    (recallWarning.map { [.warning("servers", $0)] } ?? [])
      + roster.members.flatMap { entry in warnings(of: entry).map { .warning(entry.controller.name, $0) } }
      + (outage.map { [.outage("servers", $0)] } ?? [])
  }

  /// What is wrong with a server and its GPUs, a sentence each.
  private func warnings(of entry: ServerRoster.Member) -> [String] {
    let controller = entry.controller
    let status = controller.status.value
    guard status.isTried, controller.spec.value.isEnabled, entry.isListed || !controller.jobs.value.isEmpty else {
      return []
    }
    let damaged = status.damageWords.map { ["\(controller.name): \($0)"] } ?? []
    if let obstacle = status.obstacle() { return ["\(entry.title): \(obstacle)"] + damaged }
    var warnings = controller.gpus.inventory.gpus.compactMap { gpu in
      gpu.trouble.map { "\(controller.name), GPU \(gpu.index.map(String.init) ?? gpu.uuid ?? "?"): \($0)" }
    }
    warnings += (status.facts?.warnings ?? []).map { "\(controller.name): \($0)" }
    warnings += (controller.gpus.reading?.warnings ?? []).map { "\(controller.name): nvidia-smi: \($0)" }
    warnings += damaged
    if abs(status.skew) > 30 {
      warnings.append(
        "\(controller.name): its clock differs from Weir's by \(Int(status.skew)) s, and so do the times of its jobs")
    }
    return warnings
  }

  /// Why no job is started yet; nothing in the first moments.
  private var recallWarning: String? {
    guard recall.isSlow else { return nil }
    let names = roster.members.filter { $0.isListed && !$0.controller.isReady }.map(\.controller.name)
    return
      "no job is started yet: Weir must first ask \(names.joined(separator: ", ")) for jobs that ran before this start;"
      + " it waits for unreachable servers until \(recall.seconds) s after the start"
  }

  /// Why no job can start at all; nil when one could.
  private var outage: String? {
    let all = roster.members.filter { $0.isListed && $0.controller.spec.value.isEnabled }
    guard !all.isEmpty else { return "no server is enabled" }
    let obstacles = all.compactMap { entry in
      entry.controller.status.value.obstacle().map { "\(entry.controller.name): \($0)" }
    }
    return obstacles.count == all.count ? obstacles.joined(separator: "; ") : nil
  }
}

extension ServerRoster.Member {
  /// The server's name, with the place if that is not, or not any more, the one of the servers file.
  fileprivate var title: String {
    let place = isListed ? nil : controller.spec.value.place
    return controller.name + (place.map { " at \($0)" } ?? "")
  }
}

extension Inventory.GPU {
  /// Why it is not given out though no job of ours holds it; nil when it could be.
  var trouble: String? {
    switch state {
    case .free, .allocated, .unknown: nil
    case .usedByOthers(let pid?, _, _, let job?):
      "in use by process \(pid) of job \(job), which does not hold it"
    case .usedByOthers(let pid?, let user, _, nil):
      "in use by process \(pid)\(user.map { " of \($0)" } ?? ""), which is not a job of Weir's"
    // A job that has just ended may have left it: the driver is still freeing it.
    case .usedByOthers(nil, nil, _, nil) where unfitFor < Inventory.settling: nil
    case .usedByOthers(nil, _, let memory, _):
      "\(memory.map { "\($0) MiB of its memory are" } ?? "it is") in use by others"
    case .missing(let reason), .failed(let reason): reason
    }
  }
}

import JobModel
import Jobs
import ScriptTemplates
import Shell

/// What must be known before the first job starts. A store that was put back from a backup is older than the servers:
/// jobs that wait in it may have run since.
///
/// So nothing starts before every listed server was listed, or has not been reached for a while; and each job that is
/// older than this start is looked for on all of them.
final class FleetRecall: Sendable {
  private let began = ContinuousClock.now
  private let patience: Duration
  private let finished = Shared(false)

  /// - Parameter patience: how long servers that cannot be reached are waited for.
  init(patience: Duration) { self.patience = patience }

  var isFinished: Bool { finished.value }

  var isPatient: Bool { .now - began < patience }

  /// Whether it takes so long that people should be told.
  var isSlow: Bool { !isFinished && .now - began > .seconds(5) }

  /// The patience.
  var seconds: Int64 { patience.components.seconds }

  func finish() { finished.change { $0 = true } }

  /// Calls it when the patience is at an end.
  func afterPatience(_ body: @escaping @Sendable () -> Void) async {
    try? await Task.sleep(until: began + patience, clock: .continuous)
    body()
  }
}

extension Fleet {
  /// - Returns: whether jobs may be started now.
  func recalled() async -> Bool {
    if recall.isFinished { return true }
    let listed = agents.value.filter(\.isListed).map(\.agent)
    let ready = listed.filter(\.isReady)
    guard ready.count == listed.count || !recall.isPatient else { return false }
    let old = board.living.filter { [.queued, .held, .starting, .canceling].contains($0.state) }
    let (sightings, isComplete) = await look(for: old, on: ready)
    guard isComplete || !recall.isPatient else { return false }
    await board.report(sightings, at: .now)
    recall.finish()
    for job in old { await take(job) }
    await takeChanges()
    return true
  }

  /// What the servers have of jobs that the store holds for waiting.
  /// - Returns: also whether all servers could be asked.
  private func look(
    for old: [Job], on agents: [ServerAgent]
  ) async -> (sightings: [JobID: Sighting], isComplete: Bool) {
    let jobs = Dictionary(old.map { ($0.submissionToken, $0) }, uniquingKeysWith: { $1 })
    guard !jobs.isEmpty else { return ([:], true) }
    var isComplete = true
    var found: [JobID: Sighting] = [:]
    let answers = await withTaskGroup(of: (ServerAgent, Set<String>?).self) { group in
      for agent in agents { group.addTask { (agent, await agent.removed(of: Array(jobs.keys))) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    for (agent, removed) in answers {
      guard let removed else {
        isComplete = false
        continue
      }
      for job in removed.compactMap({ jobs[$0] }) { found[job.id] = agent.sighting(ofRemoved: job) }
    }
    // A directory says more than that there was one, and a later attempt more than an earlier one.
    for agent in agents {
      for (id, stranger) in agent.status.value.strangers {
        guard let job = jobs[id.job], id.number >= job.attempt,
          !job.nodes.contains(agent.name) || id.number > job.attempt
        else { continue }
        if let other = found[job.id], other.state != .lost, other.attempt ?? 0 > id.number { continue }
        found[job.id] = stranger.sighting
      }
    }
    for (key, sighting) in found {
      logger.notice("\(key): the store has it as waiting, but \(sighting.nodes) has it: \(sighting.backendWord)")
    }
    return (found, isComplete)
  }
}

extension ServerAgent {
  /// Whether its jobs were listed and looked at, and its GPUs too.
  nonisolated var isReady: Bool {
    let status = status.value
    return status.failure == nil && status.facts != nil && status.isListed && status.lastLook != nil
      && (!hasGPUs || gpuStatus.value.reading != nil)
  }

  /// Which of these jobs were removed there after their end.
  /// - Returns: nil if that could not be asked.
  func removed(of ids: [String]) async -> Set<String>? {
    var removed: Set<String> = []
    for start in stride(from: 0, to: ids.count, by: Self.attemptsPerSweep) {
      let some = Array(ids[start..<min(start + Self.attemptsPerSweep, ids.count)])
      do {
        let result = try await run(GPUScript.recall, [try root()] + some, purpose: .observation)
        removed.formUnion(
          try understood { () throws(MalformedAnswer) in try RecallAnswer(result.stdout, asked: Set(some)) }.removed)
      } catch {
        logger.warning("the server could not be asked for jobs that were removed: \(error)")
        return nil
      }
    }
    return removed
  }

  nonisolated func sighting(ofRemoved job: Job) -> Sighting {
    var sighting = Sighting(
      backendID: job.submissionToken, mark: Mark(token: job.submissionToken), state: .lost, source: "server",
      backendWord: "removed",
      reason: "it ended on \(name), which has removed its directory; how it ended is not known", outcome: .lost,
      nodes: [name], endedAt: .now)
    sighting.attempt = job.attempt
    return sighting
  }
}

/// The answer of recall.sh: jobs that were removed.
struct RecallAnswer: Sendable, Equatable {
  let removed: Set<String>

  init(_ output: [UInt8], asked: Set<String>) throws(MalformedAnswer) {
    var lines = try AnswerLines(output, of: "recall.sh")
    var removed: Set<String> = []
    while let line = lines.first {
      let id = String(try lines.value("removed"))
      guard asked.contains(id) else { throw lines.malformed(line) }
      removed.insert(id)
    }
    self.removed = removed
  }
}

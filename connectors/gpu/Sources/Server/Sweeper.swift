import ConnectorAPI
import JobModel
import Logging
import ScriptTemplates

/// Asks a server for many attempts at once.
struct Sweeper: Sendable {
  let shell: ServerShell
  let reader: AttemptReader
  let logger: Logger

  /// As many as fit on one command line.
  private static let most = 1500

  /// Parts of which each fits on one command line; none of none.
  static func parts<Element>(_ all: [Element]) -> [[Element]] {
    stride(from: 0, to: all.count, by: most).map { Array(all[$0..<min($0 + most, all.count)]) }
  }

  /// What became of some attempts, one of ``parts(_:)``.
  /// - Parameter claim: the words by which the job root is claimed; see ``RootOwnership/sweepWords()``.
  func sweep(
    _ attempts: [AttemptID], of facts: PrepareAnswer, claim: [String] = ["", ""]
  ) async throws(BackendError) -> SweepAnswer {
    let result = try await shell.run(
      GPUScript.sweep, [facts.root, "0", facts.machine] + claim + attempts.map(\.description), timeout: .seconds(25),
      purpose: .observation)
    return try shell.understood { () throws(MalformedAnswer) in
      try SweepAnswer(result.stdout, asked: attempts, asksSMI: false)
    }
  }

  /// The attempts that have a directory on the server and are later than those that are known.
  /// - Parameter known: the latest attempt of each job, by its token.
  func strangers(
    of facts: PrepareAnswer, known: [String: Int]
  ) async throws(BackendError) -> [AttemptID: ServerStatus.Stranger] {
    let result = try await shell.run(GPUScript.list, [facts.root], purpose: .observation, limit: 256 << 20)
    let answer = try shell.understood { () throws(MalformedAnswer) in try ListAnswer(result.stdout) }
    var entries: [AttemptID: ListAnswer.Entry] = [:]
    for entry in answer.entries {
      // Of a store that is older than the server, the latest attempt is not known.
      if let attempt = entry.attempt, attempt.number > known[entry.job] ?? 0 {
        entries[AttemptID(job: entry.job, number: attempt.number)] = entry
      }
    }
    let now = ContinuousClock.now
    var strangers: [AttemptID: ServerStatus.Stranger] = [:]
    for some in Self.parts(Array(entries.keys)) {
      let states = try await sweep(some, of: facts)
      for (id, state) in states.attempts {
        guard let entry = entries[id],
          let report = reader.report(of: entry, state, machine: facts.machine, now: states.now)
        else { continue }
        strangers[id] = .init(report: report, isLive: state.isLive, seen: now)
      }
    }
    return strangers
  }

  /// Which of these jobs were removed there after their end.
  /// - Returns: nil if that could not be asked.
  func removed(of ids: [String]) async -> Set<String>? {
    var removed: Set<String> = []
    for some in Self.parts(ids) {
      do {
        let result = try await shell.run(GPUScript.recall, [try shell.root()] + some, purpose: .observation)
        removed.formUnion(
          try shell.understood { () throws(MalformedAnswer) in try RecallAnswer(result.stdout, asked: Set(some)) }
            .removed)
      } catch {
        logger.warning("the server could not be asked for jobs that were removed: \(error)")
        return nil
      }
    }
    return removed
  }
}

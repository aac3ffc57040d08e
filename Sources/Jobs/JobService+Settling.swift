import Foundation
import Synchronization

/// When jobs whose answer was lost are looked for next: ever less often, since each look is a request or two of its own.
final class Unsettled: Sendable {
  private static let longestPause = Duration.seconds(15)

  private let looks = Mutex<[String: (next: ContinuousClock.Instant, pause: Duration)]>([:])

  /// Those of the jobs whose turn it is, the longest due first; at most so many.
  func due(_ jobs: [Job], first pause: Duration, limit: Int) -> [Job] {
    looks.withLock { looks in
      let now = ContinuousClock.now
      let known = looks
      looks = Dictionary(uniqueKeysWithValues: jobs.map { ($0.id, known[$0.id] ?? (now, pause)) })
      let turn = jobs.compactMap { job in looks[job.id].map { (job, $0) } }.filter { $0.1.next <= now }
        .sorted { $0.1.next < $1.1.next }.prefix(limit)
      for (job, look) in turn {
        looks[job.id] = (now + look.pause, min(look.pause * 2, Self.longestPause))
      }
      return turn.map(\.0)
    }
  }
}

extension JobService {
  /// Finds out about what earlier calls, or an earlier run, left open; beside observing, which it never holds up.
  func settle() async {
    while !Task.isCancelled {
      await searchRecords()
      await settleOnce()
      try? await Task.sleep(for: configuration.pollInterval)
    }
  }

  /// Looks for the jobs whose answer was lost and whose turn it is, each as its own account: at once, so that one whose
  /// shell hangs holds up the others as little as can be.
  func settleOnce() async {
    let open = ledger.table.read { contents in
      contents.jobs.values.filter { $0.state == .submitting && $0.backendID == nil }
    }
    let due = unsettled.due(open.filter { !isSubmitting($0.key) }, first: configuration.pollInterval, limit: 16)
    await withDiscardingTaskGroup { group in
      for job in due { group.addTask { _ = await self.lookFor(job, timeout: .seconds(10)) } }
    }
  }

  /// Tells of jobs that were given up and that an observation shows all the same, each once.
  func noteLate(in observation: Observation) {
    let givenUp = ledger.table.read { contents in
      let jobs = contents.jobs.values.filter { $0.state == .failed && $0.backendID == nil }
      return Dictionary(jobs.map { ($0.submissionToken, $0) }, uniquingKeysWith: { $1 })
    }
    guard !givenUp.isEmpty else { return }
    for sighting in observation.sightings where !sighting.isRefusal {
      guard let job = sighting.mark.flatMap({ givenUp[$0.token] }), sighting.shows(job) else { continue }
      if recall.isFirst(job.submissionToken) { noteLate(job, as: sighting.backendID) }
    }
  }
}

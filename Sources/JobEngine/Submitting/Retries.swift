import JobModel
import Synchronization

/// When what did not succeed yet is tried again, job by job: less and less often, since each try is a request or two of
/// its own.
final class Retries: Sendable {
  private let longestPause: Duration
  private let clock: JobClock
  private let tries = Mutex<[JobID: (next: ContinuousClock.Instant, pause: Duration)]>([:])

  init(longestPause: Duration, clock: JobClock) {
    self.longestPause = longestPause
    self.clock = clock
  }

  /// Those of the jobs whose turn it is, the longest due first; at most so many. Of other jobs it is forgotten when they
  /// were tried.
  func due(_ jobs: [Job], first pause: Duration, limit: Int) -> [Job] {
    tries.withLock { tries in
      guard !jobs.isEmpty || !tries.isEmpty else { return [] }
      let now = clock.now
      let known = tries
      tries = Dictionary(uniqueKeysWithValues: jobs.map { ($0.id, known[$0.id] ?? (now, pause)) })
      let turn = jobs.compactMap { job in tries[job.id].map { (job, $0) } }.filter { $0.1.next <= now }
        .sorted { $0.1.next < $1.1.next }.prefix(limit)
      for (job, last) in turn {
        tries[job.id] = (now + last.pause, min(last.pause * 2, longestPause))
      }
      return turn.map(\.0)
    }
  }
}

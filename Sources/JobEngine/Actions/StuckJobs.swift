import JobModel

/// Jobs that have been in doubt, unknown, or running after a cancel for a while: administrators are shown them.
struct StuckJobs: Sendable {
  private static let mostShown = 20

  let cache: JobCache
  let clock: JobClock
  /// How long is a while.
  let patience: Duration

  /// A sentence each, the oldest first; of very many the oldest, and how many more there are.
  var sentences: [String] {
    let now = clock.now
    let found = cache.read { contents in
      contents.jobs.values.compactMap { job -> (since: ContinuousClock.Instant, words: String)? in
        guard !job.state.isTerminal, let timeline = contents.timelines[job.id],
          let (since, words) = Self.problem(job, timeline), now - since >= patience
        else { return nil }
        let id = job.backendID.map { " (\($0))" } ?? ""
        let seconds = (now - since).components.seconds
        return (since, "job \(job.key)\(id) \(words) for \(seconds) s\(job.reason.isEmpty ? "" : ": \(job.reason)")")
      }
    }
    guard !found.isEmpty else { return [] }
    let shown = found.sorted { $0.since < $1.since }.prefix(Self.mostShown).map(\.words)
    let more = found.count > shown.count ? ["and \(found.count - shown.count) more jobs like these"] : []
    return shown + more
  }

  private static func problem(_ job: Job, _ timeline: Timeline) -> (ContinuousClock.Instant, String)? {
    if job.inDoubtSince != nil { return (timeline.known, "has been in doubt") }
    if job.state == .canceling { return (timeline.entered, "has been canceling") }
    return timeline.unknown.map { ($0, "has been unknown") }
  }
}

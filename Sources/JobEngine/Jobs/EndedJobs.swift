import JobModel

/// The ended jobs in the cache, in the order in which they leave it.
struct EndedJobs {
  /// Of jobs whose exit codes come later than their ends, so many stay.
  static let mostAwaiting = 5000

  /// How many jobs of each kind stay in the cache; the others are read from disk.
  private let limit: Int
  /// Whether more stay for as long as their exit codes may still be learnt.
  private let awaitsExitCodes: Bool
  /// The first to leave first; those whose end nobody has seen apart, so that what the backend shows of them later finds
  /// them.
  private var seen: ArraySlice<JobID> = []
  private var unseen: ArraySlice<JobID> = []
  /// When accounting last could not be asked.
  private var accountingFailed: ContinuousClock.Instant?

  init(limit: Int, awaitsExitCodes: Bool) { (self.limit, self.awaitsExitCodes) = (limit, awaitsExitCodes) }

  mutating func add(_ job: Job) {
    if job.isCorrectable { unseen.append(job.id) } else { seen.append(job.id) }
  }

  mutating func noteAccountingFailure(at time: ContinuousClock.Instant) { accountingFailed = time }

  /// Takes jobs out of the cache, but for the latest and those that must stay.
  /// - Parameter isUnsaved: whether a job is not on disk as it is.
  mutating func trim(_ cache: JobCache, now: ContinuousClock.Instant, isUnsaved: (JobID) -> Bool) {
    seen = trimmed(seen, cache, now: now, isUnsaved: isUnsaved) { !$0.isCorrectable }
    unseen = trimmed(unseen, cache, now: now, isUnsaved: isUnsaved) { $0.isCorrectable }
  }

  /// - Returns: what is left of the line.
  private func trimmed(
    _ line: ArraySlice<JobID>, _ cache: JobCache, now: ContinuousClock.Instant, isUnsaved: (JobID) -> Bool,
    belongs: (Job) -> Bool
  ) -> ArraySlice<JobID> {
    guard line.count > limit else { return line }
    let old = line.prefix(line.count - limit)
    let staying = Set(old.filter(isUnsaved)).union(awaitingExitCode(old, in: cache, now: now))
    let leaving = old.filter { !staying.contains($0) }
    // An end may stand for one that was corrected.
    cache.remove(
      cache.read { contents in
        leaving.filter { id in contents.jobs[id].map { $0.state.isTerminal && belongs($0) } ?? false }
      })
    return ArraySlice(old.filter(staying.contains) + line.dropFirst(old.count))
  }

  /// Those of the jobs that the backend may still be asked about, since their exit codes come later than their ends: of very
  /// many the latest.
  private func awaitingExitCode(
    _ ids: ArraySlice<JobID>, in cache: JobCache, now: ContinuousClock.Instant
  ) -> ArraySlice<JobID> {
    guard awaitsExitCodes else { return [] }
    let accountingSince = accountingFailed ?? now - .seconds(86_400)
    return cache.read { contents in
      ArraySlice(
        ids.filter { id in
          guard let job = contents.jobs[id], let timeline = contents.timelines[id] else { return false }
          return timeline.awaitsExitCode(job, at: now, accountingSince: accountingSince)
        }
      ).suffix(Self.mostAwaiting)
    }
  }
}

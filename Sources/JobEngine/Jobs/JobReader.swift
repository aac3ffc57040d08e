import Foundation
import JobModel
import JobStore

/// Answers what readers ask of jobs, from the cache: never by waiting for the backend, and for the disk only where a job
/// ended long ago.
struct JobReader: Sendable {
  let ledger: Ledger
  let polls: PollState
  let configuration: JobService.Configuration

  private var clock: JobClock { configuration.clock }

  /// The job of that name and number if it is living or ended recently; answers at once.
  func recent(_ key: JobKey) -> Job? {
    polls.noteAsked()
    return ledger.cache.read { $0.job(named: key) }
  }

  /// The job of that name and number, however old.
  func find(_ key: JobKey) async throws(JobError) -> Job? {
    do { return try await ledger.find(key) } catch { throw JobError(store: error) }
  }

  /// The same; of several that had the name one after the other that with this id of the backend.
  func find(_ key: JobKey, backendID: String) async throws(JobError) -> Job? {
    let job = try await find(key)
    guard let job, job.backendID != backendID, job.id.rawValue != backendID else { return job }
    do {
      guard let earlier = try await ledger.store.job(replaced: key, backendID: backendID) else { return job }
      return ledger.current(earlier) ?? earlier
    } catch { throw JobError(store: error) }
  }

  // MARK: Lists

  /// See ``JobService/list(_:owner:)``.
  func list(
    _ list: JobList, owner: String?
  ) throws(JobError) -> (generation: UInt64, jobs: [JobService.Listed]) {
    try requireFresh()
    return ledger.cache.read { contents in
      let now = clock.now
      let jobs = contents.jobs.values.filter { job in
        guard owner.map(job.isOwned) ?? true, let current = job.list else { return false }
        return current == list || contents.moved[job.id].map { $0.from == list && $0.until > now } ?? false
      }
      return (
        contents.generation,
        jobs.sorted { $0.id < $1.id }.map { .init(name: $0.name, id: $0.backendID ?? $0.id.rawValue) }
      )
    }
  }

  /// Counts changes of the jobs; throws when what is known is too old to be served.
  func generation() throws(JobError) -> UInt64 {
    try requireFresh()
    return ledger.cache.read { $0.generation }
  }

  private func requireFresh() throws(JobError) {
    polls.noteAsked()
    let status = polls.status
    guard let last = status.lastComplete else { throw .unavailable(status.failure ?? PollState.firstUnderWay) }
    let age = clock.now - last
    if age > configuration.staleAfter {
      throw .unavailable(
        "\(status.failure ?? "the backend has not answered"); last seen \(age.components.seconds) s ago")
    }
  }

  /// How many jobs that have not ended are in each state.
  var countsByState: [String: Int] {
    let living = ledger.cache.read { $0.counts.living }
    return Dictionary(uniqueKeysWithValues: living.map { ($0.key.rawValue, $0.value) })
  }

  // MARK: One job

  /// A job as readers are to see it now: with its last state, or as unknown while nobody can tell.
  func view(of job: Job) -> JobView {
    guard !job.state.isTerminal else { return JobView(lastKnown: job, unknownSince: nil) }
    let status = polls.status
    var since = job.contact.unreachableSince
    if status.failure != nil || status.lastComplete == nil {
      let last = status.lastCompleteTime.map { max($0, job.contact.seenAt) } ?? job.contact.seenAt
      since = since.map { min($0, last) } ?? last
    }
    return JobView(lastKnown: job, unknownSince: since)
  }

  /// Seconds that a job has run: as the backend said last, and the time since then while it is seen to run. Time in
  /// which nobody sees it run is not made up.
  func elapsed(of job: Job) -> Int {
    guard job.state == .running || job.state == .canceling, job.startedAt != nil, view(of: job).unknownSince == nil,
      let seen = ledger.cache.read({ $0.timelines[job.id]?.seen })
    else { return job.elapsed }
    return job.elapsed + Int((clock.now - seen).components.seconds)
  }
}

/// A job as readers are to see it.
public struct JobView: Sendable, Equatable {
  /// The job as it was last seen.
  public let lastKnown: Job
  /// When it was last known, while its state is not.
  public let unknownSince: Date?

  /// Whether what would show it cannot be asked, does not show it, or says nothing that Weir understands.
  public var isUnknown: Bool { unknownSince != nil }
}

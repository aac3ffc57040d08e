import JobModel
import Synchronization

/// All living jobs and the latest of those that ended, in memory: readers look here and never wait.
final class JobCache: Sendable {
  struct Contents: Sendable {
    fileprivate(set) var jobs: [JobID: Job] = [:]
    /// The jobs by the names that the upstream gave them.
    fileprivate var names: [JobKey: JobID] = [:]
    /// Of each of the jobs, when what happened to it.
    fileprivate(set) var timelines: [JobID: Timeline] = [:]
    /// The list that a job was in before, and until when it is shown there too: who asks for one list after the other sees
    /// a job that moves meanwhile in one of them, whichever is asked for first.
    fileprivate(set) var moved: [JobID: (from: JobList, until: ContinuousClock.Instant)] = [:]
    /// Counts the changes, so that what is made from the cache can be kept until it changes.
    fileprivate(set) var generation: UInt64 = 0
    /// Why changes cannot be written to disk right now; nil when they can.
    fileprivate(set) var storeIssue: String?

    /// The jobs counted, so that a submit and a reader need not look at all of them.
    fileprivate(set) var counts = JobCounts()

    func job(named key: JobKey) -> Job? { names[key].flatMap { jobs[$0] } }

    /// Shows a job as it was read from the store.
    fileprivate mutating func load(_ job: Job, _ timeline: Timeline) {
      put(job)
      timelines[job.id] = timeline
      if job.replacedBy == nil { names[job.key] = job.id }
    }

    /// A new try at a job that the backend never had takes the name of the one before.
    fileprivate mutating func add(_ job: Job, _ timeline: Timeline) {
      if let earlier = names[job.key], earlier != job.id, var replaced = jobs[earlier] {
        replaced.replacedBy = job.id
        replaced.version += 1
        put(replaced)
      }
      load(job, timeline)
    }

    fileprivate mutating func put(_ job: Job) {
      if let before = jobs.updateValue(job, forKey: job.id) { counts.remove(before) }
      counts.add(job)
    }

    fileprivate mutating func remove(_ id: JobID) {
      guard let job = jobs.removeValue(forKey: id) else { return }
      counts.remove(job)
      (timelines[id], moved[id]) = (nil, nil)
      if names[job.key] == id { names[job.key] = nil }
    }
  }

  private let clock: JobClock
  private let contents = Mutex(Contents())

  init(clock: JobClock) { self.clock = clock }

  func read<Result>(_ body: (borrowing Contents) throws -> Result) rethrows -> Result {
    try contents.withLock { try body($0) }
  }

  private func change(_ body: (inout Contents) -> Void) {
    contents.withLock {
      body(&$0)
      $0.generation &+= 1
    }
  }

  /// Shows jobs that were read from the store.
  func load(_ jobs: [Job]) {
    change { contents in
      for job in jobs {
        contents.load(job, Timeline(read: job, at: clock.now, date: clock.date))
      }
    }
  }

  /// Shows jobs as they are now.
  /// - Parameters:
  ///   - seen: what showed them, by their ids, of those that something showed.
  ///   - lingering: for how long one that moved is shown in its list before, too.
  func show(
    _ changes: [(before: Job?, after: Job)], seen: [JobID: JobReport] = [:], lingering: Duration
  ) {
    change { contents in
      let now = clock.now
      contents.moved = contents.moved.filter { $0.value.until > now }
      for (before, after) in changes {
        if let before {
          guard contents.jobs[after.id] != nil else { continue }
          contents.put(after)
          // The job that had taken its name was removed.
          if before.replacedBy != nil, after.replacedBy == nil { contents.names[after.key] = after.id }
          contents.timelines[after.id]?.follow(from: before, to: after, report: seen[after.id], at: now)
        } else {
          contents.add(after, Timeline(known: now))
        }
        if let from = before?.list, let to = after.list, from != to {
          contents.moved[after.id] = (from, now + lingering)
        }
      }
    }
  }

  func remove(_ ids: some Sequence<JobID>) {
    change { contents in
      for id in ids { contents.remove(id) }
    }
  }

  func note(storeIssue: String?) { contents.withLock { $0.storeIssue = storeIssue } }

  /// How many jobs of an owner wait, without counting one that is submitted again.
  func waiting(of owner: String, besides key: JobKey) -> Int {
    read { contents in
      let isCounted = contents.job(named: key).map { JobCounts.waits($0) && $0.isOwned(by: owner) } ?? false
      return contents.counts.waiting(of: owner) - (isCounted ? 1 : 0)
    }
  }
}

import ConnectorAPI
import Foundation
import JobModel
import Support
import Synchronization

/// When what did not succeed yet is tried again, job by job: less and less often, since each try is a request or two of
/// its own.
final class Retries: Sendable {
  private let longestPause: Duration
  private let clock: JobClock
  private let looks = Mutex<[JobID: (next: ContinuousClock.Instant, pause: Duration)]>([:])

  init(longestPause: Duration, clock: JobClock) {
    self.longestPause = longestPause
    self.clock = clock
  }

  /// Those of the jobs whose turn it is, the longest due first; at most so many. Of other jobs it is forgotten when they
  /// were tried.
  func due(_ jobs: [Job], first pause: Duration, limit: Int) -> [Job] {
    looks.withLock { looks in
      guard !jobs.isEmpty || !looks.isEmpty else { return [] }
      let now = clock.now
      let known = looks
      looks = Dictionary(uniqueKeysWithValues: jobs.map { ($0.id, known[$0.id] ?? (now, pause)) })
      let turn = jobs.compactMap { job in looks[job.id].map { (job, $0) } }.filter { $0.1.next <= now }
        .sorted { $0.1.next < $1.1.next }.prefix(limit)
      for (job, look) in turn {
        looks[job.id] = (now + look.pause, min(look.pause * 2, longestPause))
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
      await followCancels()
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
    let doubtful = absent.due(await ledger.doubtful, first: configuration.pollInterval, limit: 8)
    await withDiscardingTaskGroup { group in
      for job in due { group.addTask { _ = await self.lookFor(job, timeout: .seconds(10)) } }
      for job in doubtful { group.addTask { await self.verifyAbsence(of: job) } }
    }
  }

  /// Asks the backend for a job whose answer was lost, and settles it if that can be known: it is there, or its
  /// deadline is over and it is not.
  /// - Returns: the job as it is then; nil when it is still not known, or another has its name by now.
  func lookFor(_ job: Job, timeout: Duration) async -> Job? {
    Checkpoint.reach("settle.begun")
    let clock = configuration.clock
    // What it answers is true of the moment it was asked; the answer may take its time.
    let asked = clock.now
    let found: JobReport?
    do throws(BackendError) {
      found = try await connector.find(dated(job), timeout: timeout)
    } catch {
      logger.debug("\(job.key): still in doubt: \(error)")
      return nil
    }
    Checkpoint.reach("settle.found", if: found != nil)
    let deadline = Duration.seconds(max(configuration.submitDeadline, connector.submitWindow))
    let known = ledger.table.read { $0.timelines[job.id]?.known }
    guard found != nil || known.map({ asked - $0 > deadline }) ?? false else { return nil }
    guard let found else {
      return await ledger.apply(
        .neverSubmitted(reason: "the backend says that it has no such job"), to: job, actor: "weir", at: clock.date)
    }
    return await ledger.transition(job, actor: "weir") { job throws(IllegalTransition) in
      if job.state == .submitting { try job.apply(.reported(found), at: clock.date) }
    }
  }

  /// A job as a connector is to see it that asks what the backend remembers: its submit is as long ago by the calendar of
  /// now as it is in truth, or longer where that is not known.
  func dated(_ job: Job) -> Job {
    let (clock, now) = (configuration.clock, configuration.clock.date)
    var dated = job
    if let age = clock.age(of: job.submittedStamp) {
      dated.submittedAt = now - age.inSeconds
    } else if job.submittedStamp != nil {
      // The machine was started since.
      dated.submittedAt = min(job.submittedAt, now) - 86_400
    }
    return dated
  }

  /// Asks for a job that polls do not show in another way, before that may mean that it is lost.
  private func verifyAbsence(of job: Job) async {
    let found: JobReport?
    do throws(BackendError) { found = try await connector.find(dated(job), timeout: .seconds(10)) } catch {
      logger.debug("\(job.key): not in the queue, and other queries failed: \(error)")
      return await ledger.noteDoubt(
        about: job, "not in the queue, and its end cannot be found: \(error)")
    }
    let time = configuration.clock.date
    guard let found, found.shows(job) else { return await ledger.believeAbsence(of: job, at: time) }
    await ledger.contradictAbsence(of: job, by: found, at: time)
  }

  /// Tells of jobs that were given up and that an observation shows all the same, each once.
  func noteLate(in observation: Snapshot) {
    let givenUp = ledger.table.read { contents in
      let jobs = contents.jobs.values.filter { $0.state == .failed && $0.backendID == nil }
      return Dictionary(jobs.map { ($0.submissionToken, $0) }, uniquingKeysWith: { $1 })
    }
    guard !givenUp.isEmpty else { return }
    for report in observation.reports where !report.isRefusal {
      guard let job = report.mark.flatMap({ givenUp[$0.token] }), report.shows(job) else { continue }
      if recall.isFirst(job.submissionToken) { noteLate(job, as: report.backendID) }
    }
  }
}

import ConnectorAPI
import Foundation
import JobModel
import JobStore
import Logging
import Support
import Synchronization

/// Removes output, files and records of jobs whose time is over.
final class RetentionSweeper: Sendable {
  /// After this many failures to remove a job's output `/ready` warns administrators.
  private static let failuresToTell = 3
  /// How many jobs are taken at a time.
  private static let page = 100
  private static let eventPage = 1000

  private let connector: any Connector
  private let configuration: JobService.Configuration
  private let ledger: Ledger
  private let polls: PollState
  private let logger: Logger
  private let warning = Mutex<String?>(nil)

  init(
    connector: any Connector, configuration: JobService.Configuration, ledger: Ledger, polls: PollState, logger: Logger
  ) {
    (self.connector, self.configuration, self.ledger) = (connector, configuration, ledger)
    (self.polls, self.logger) = (polls, logger)
  }

  private var clock: JobClock { configuration.clock }
  private var store: any JobStore { ledger.store }

  /// What administrators should know of output that could not be removed.
  var warnings: [String] { warning.withLock { $0.map { [$0] } ?? [] } }

  /// Removes what is due, again and again, until the task is canceled.
  func run() async {
    let shortest = min(configuration.keepOutput, configuration.keepFiles)
    let pause = Duration.seconds(min(60, max(1, shortest / 2)))
    await keepServiceTime()
    // Right after the start no place is ready yet, which would count as a failure to remove.
    for _ in 0..<50 where polls.status.lastComplete == nil && !Task.isCancelled {
      try? await clock.sleep(for: .milliseconds(200))
    }
    while !Task.isCancelled {
      await removeDue()
      try? await clock.sleep(for: pause)
      await keepServiceTime()
    }
  }

  /// Stores the time by which output is kept, so that a restart goes on from there.
  func keepServiceTime() async {
    let time = ledger.serviceTime.now
    _ = try? await ledger.writing { store in try store.keep(serviceTime: time) }
  }

  /// Removes all output whose time is over: from the backend, then what we kept of it, and the script that was shown; the
  /// files of jobs whose longer time is over; and the records of jobs of which nothing is left. Each in pages, so that nobody
  /// else waits for long.
  func removeDue() async {
    do {
      while !Task.isCancelled {
        let now = ledger.serviceTime.now
        let due = try await ledger.writing { store in try store.expire(before: now, limit: Self.page) }
        for job in due where !Task.isCancelled { try await removeOutput(of: job) }
        if due.count < Self.page { break }
      }
      while !Task.isCancelled {
        let due = try store.jobs(
          withFilesSince: ledger.serviceTime.now - configuration.keepFiles, limit: Self.page)
        for job in due where !Task.isCancelled { try await removeFiles(of: job) }
        if due.count < Self.page { break }
      }
      let keep = max(configuration.keepJobs, configuration.ownerLimits.keyAge)
      while !Task.isCancelled,
        try await ledger.removeRecords(before: ledger.serviceTime.now - keep, limit: Self.page) == Self.page
      {}
      while !Task.isCancelled,
        try await ledger.removeEvents(before: ledger.serviceTime.now - keep, limit: Self.eventPage) == Self.eventPage
      {}
      try await store.examineSealAgain()
      let failed = try await store.failedRemovals(atLeast: Self.failuresToTell)
      warning.withLock {
        $0 = failed.map { "output or files of \($0.count) jobs cannot be removed from the backend: \($0.reason)" }
      }
    } catch {
      logger.debug("output is not removed while the store cannot be written: \(error)")
    }
  }

  private func removeOutput(of job: Job) async throws {
    Checkpoint.reach("removal.due")
    // The last of those that share a file removes it.
    let isLeft = job.backendID == nil ? true : try await store.sharesOutput(job)
    let isRemoved = try await remove(.output, of: job) { () throws(BackendError) in
      if !isLeft { try await (connector as? any OutputRemovingConnector)?.removeOutput(job) }
    }
    guard isRemoved else { return }
    Checkpoint.reach("removal.done")
    let event = event(job, "its output was removed")
    let filesSince = connector.has(.keepingFiles) && !job.nodes.isEmpty ? ledger.serviceTime.now : nil
    try await ledger.writing { store in try store.removedOutput(of: job, filesSince: filesSince, event: event) }
    Checkpoint.reach("removal.written")
  }

  private func removeFiles(of job: Job) async throws {
    let isRemoved = try await remove(.files, of: job) { () throws(BackendError) in
      try await (connector as? any FileKeepingConnector)?.removeFiles(job)
    }
    guard isRemoved else { return }
    let event = event(job, "its files were removed")
    try await ledger.writing { store in try store.removedFiles(of: job, event: event) }
  }

  /// - Returns: false when that failed, which is noted.
  private func remove(
    _ remains: Retention.Remains, of job: Job, _ body: () async throws(BackendError) -> Void
  ) async throws -> Bool {
    // Files go by the time since which they are kept.
    let time = ledger.serviceTime.now - (remains == .files ? configuration.keepFiles : 0)
    do throws(BackendError) {
      try await body()
      return true
    } catch {
      let verb = remains == .output ? "was" : "were"
      let event = event(job, "its \(remains.rawValue) \(verb) not removed from the backend: \(error)")
      logger.warning("\(job.key): \(event.reason)")
      let reason = error.description
      try await ledger.writing { store in
        try store.failedRemoval(
          of: remains, job, reason: reason, retry: { time + Self.pause(after: $0) }, event: event)
      }
      return false
    }
  }

  private func event(_ job: Job, _ reason: String) -> JobEvent {
    JobEvent(
      job: job.id, time: clock.date, actor: "weir", from: job.state, to: job.state, source: "weir", reason: reason)
  }

  /// Seconds until a removal that failed so often is tried again: from a minute to six hours.
  private static func pause(after failures: Int) -> TimeInterval {
    min(21_600, 60 * pow(2, TimeInterval(max(0, failures - 1))))
  }
}

import Foundation
import JobModel
import JobStore
import Logging
import Support
import Synchronization

/// What administrators should know of output that could not be removed.
final class RetentionStatus: Sendable {
  private let state = Mutex<String?>(nil)

  var warnings: [String] { state.withLock { $0.map { [$0] } ?? [] } }
  fileprivate func note(_ warning: String?) { state.withLock { $0 = warning } }
}

extension JobService {
  /// After so many failures to remove a job's output administrators are told.
  private static let failuresToTell = 3

  /// The output of a job that is over: read from the backend once, the same bytes until ``Configuration/keepOutput``
  /// after it was first asked for, and then no more.
  public func finalOutput(_ job: Job) async throws(JobError) -> [UInt8] {
    if !job.state.isTerminal, try await toldEnd(of: job) == nil { throw .notOver(job.key, job.state) }
    let (known, isAnswered) = try await kept(job)
    if let known, isAnswered { return known }
    var output = known ?? []
    if known == nil, job.backendID != nil {
      do { output = try await lastOutput(of: job) } catch { throw JobError(error) }
    }
    Checkpoint.reach("output.read", if: known == nil)
    let now = configuration.clock.date
    do {
      let isInTime: Bool
      (output, isInTime) = try await ledger.answer(
        output, of: job, at: now, limit: configuration.ownerLimits.bytes, keptFor: configuration.keepOutput)
      Checkpoint.reach("output.noted")
      guard isInTime else { throw JobError.expired(job.key, job.state) }
    } catch let error as JobError {
      throw error
    } catch {
      // A disk that takes nothing keeps nobody from reading. What was not noted as answered is not removed.
      logger.warning("\(job.key): the output was returned, but not stored: \(error)")
    }
    return output
  }

  /// How a job ended, as it was answered the first time: what the upstream has acted on does not change, even where it
  /// was wrong. Nil when that is how the job ended.
  public func toldEnd(of job: Job) async throws(JobError) -> ToldEnd? {
    do { return try await ledger.store.toldEnd(of: job.id) } catch { throw .storage(StoreError(error).summary) }
  }

  /// The last lines that a job has printed. Where that is not all, the first line says how much is left out.
  private func lastOutput(of job: Job) async throws(BackendError) -> [UInt8] {
    let output = try await connector.output(job, lines: configuration.keptLines)
    // What is left out of less was never there: the size is asked for only where a bound may have cut something.
    guard output.count >= 1 << 20 || output.count(where: { $0 == 10 }) >= configuration.keptLines - 1,
      let size = try await connector.outputSize(job), size > output.count
    else { return output }
    let notice =
      "... the first \(size - output.count) bytes of the output are left out, the last \(configuration.keptLines) lines follow ...\n"
    return Array(notice.utf8) + output
  }

  /// The kept output of a job that is over, and whether it was asked for before.
  func kept(_ job: Job) async throws(JobError) -> (output: [UInt8]?, isAnswered: Bool) {
    do {
      let retention = try await ledger.store.retention(of: job.id)
      guard retention?.expiredAt == nil else { throw JobError.expired(job.key, job.state) }
      return (ledger.store.keptOutput(of: job.id), retention?.answeredAt != nil)
    } catch let error as JobError {
      throw error
    } catch {
      throw .storage(StoreError(error).summary)
    }
  }

  /// Removes output and files whose time is over, again and again.
  func removeOutputs() async {
    let shortest = min(configuration.keepOutput, configuration.keepFiles)
    let pause = Duration.seconds(min(60, max(1, shortest / 2)))
    await keepServiceTime()
    // Right after the start no place is ready yet, which would count as a failure to remove.
    for _ in 0..<50 where observer.status.lastComplete == nil && !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(200))
    }
    while !Task.isCancelled {
      await removeDueOutputs()
      try? await Task.sleep(for: pause)
      await keepServiceTime()
    }
  }

  func keepServiceTime() async {
    let time = ledger.serviceTime.now
    _ = try? await ledger.writing { store in try store.keep(serviceTime: time) }
  }

  /// Removes all output whose time is over: from the backend, then what we kept of it, and the script that was shown; the
  /// files of jobs whose longer time is over; and the records of jobs of which nothing is left. Each in pages, so that nobody
  /// else waits for long.
  func removeDueOutputs() async {
    do {
      while !Task.isCancelled {
        let now = ledger.serviceTime.now
        let due = try await ledger.writing { store in try store.expire(before: now, limit: 100) }
        for job in due where !Task.isCancelled { try await removeOutput(of: job) }
        if due.count < 100 { break }
      }
      while !Task.isCancelled {
        let due = try ledger.store.jobs(withFilesSince: ledger.serviceTime.now - configuration.keepFiles, limit: 100)
        for job in due where !Task.isCancelled { try await removeFiles(of: job) }
        if due.count < 100 { break }
      }
      let keep = max(configuration.keepJobs, configuration.ownerLimits.keyAge)
      while !Task.isCancelled, try await ledger.removeRecords(before: ledger.serviceTime.now - keep, limit: 100) == 100
      {}
      try await ledger.store.examineSealAgain()
      let failed = try await ledger.store.failedRemovals(atLeast: Self.failuresToTell)
      retention.note(
        failed.map { "output or files of \($0.count) jobs cannot be removed from the backend: \($0.reason)" })
    } catch {
      logger.debug("output is not removed while the store cannot be written: \(error)")
    }
  }

  private func removeOutput(of job: Job) async throws {
    let store = ledger.store
    Checkpoint.reach("removal.due")
    // The last of those that share a file removes it.
    let isLeft = job.backendID == nil ? true : try await store.sharesOutput(job)
    let isRemoved = try await remove(.output, of: job) { () throws(BackendError) in
      if !isLeft { try await connector.removeOutput(job) }
    }
    guard isRemoved else { return }
    Checkpoint.reach("removal.done")
    let event = event(job, "its output was removed")
    let filesSince = connector.keepsFiles && !job.nodes.isEmpty ? ledger.serviceTime.now : nil
    try await ledger.writing { store in try store.removedOutput(of: job, filesSince: filesSince, event: event) }
    Checkpoint.reach("removal.written")
  }

  private func removeFiles(of job: Job) async throws {
    let isRemoved = try await remove(.files, of: job) { () throws(BackendError) in
      try await connector.removeFiles(job)
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
      job: job.id, time: configuration.clock.date, actor: "weir", from: job.state, to: job.state, source: "weir",
      reason: reason)
  }

  /// Seconds until a removal that failed so often is tried again: from a minute to six hours.
  private static func pause(after failures: Int) -> TimeInterval {
    min(21_600, 60 * pow(2, TimeInterval(max(0, failures - 1))))
  }

  /// Looks through a large database once, while it is in use.
  func examineStore() async {
    guard ledger.store.isLarge else { return }
    do {
      if let fault = try await ledger.store.quickCheck().first { await ledger.condemn(fault) }
    } catch {
      if case .damaged(let reason) = StoreError(error) { await ledger.condemn(reason) }
    }
  }
}

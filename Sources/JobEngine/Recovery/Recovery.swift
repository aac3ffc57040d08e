import CProcess
import ConnectorAPI
import Foundation
import JobModel
import JobStore
import Logging

/// Recovers jobs that the backend has with a mark of ours and that the store does not know: it was lost, or is an older
/// copy. Until that is done nothing is submitted, for it might be there already.
final class Recovery: Sendable {
  private let connector: any Connector
  private let configuration: JobService.Configuration
  private let ledger: Ledger
  private let jobs: JobReader
  private let polls: PollState
  private let logger: Logger
  private let progress: RecoveryProgress

  init(
    connector: any Connector, configuration: JobService.Configuration, ledger: Ledger, jobs: JobReader,
    polls: PollState, logger: Logger
  ) {
    (self.connector, self.configuration, self.ledger) = (connector, configuration, ledger)
    (self.jobs, self.polls, self.logger) = (jobs, polls, logger)
    progress = RecoveryProgress(clock: configuration.clock)
  }

  private var clock: JobClock { configuration.clock }

  /// Finds out what the store may lack; once, before the first poll.
  func begin() throws {
    begin(
      since: RecoveryProgress.begin(
        now: clock.date, lastSubmit: try ledger.store.lastSubmit(), interval: configuration.recoveryInterval))
  }

  /// - Parameter since: from when on the store may lack jobs.
  func begin(since: Date) { progress.begin(since: configuration.recoveryKey == nil ? nil : since) }

  // MARK: Finding jobs

  /// Recovers the jobs that a poll shows.
  func recover(from snapshot: Snapshot) async {
    progress.polled(strangers: await recover(snapshot.reports, at: snapshot.time))
  }

  /// The same for those that ended since the store was written last, once after each start.
  func searchRecords() async {
    guard let since = progress.unsearchedSince else { return }
    do throws(BackendError) {
      _ = await recover(try await (connector as? any RecoveringConnector)?.recover(since: since) ?? [], at: clock.date)
      progress.searchedRecords()
      // A day's records are many megabytes, which malloc would keep.
      malloc_trim(0)
    } catch {
      if progress.failedToSearch(error.description), !Task.isCancelled {
        logger.warning("ended jobs that the store may have lost were not searched for: \(error)")
      }
    }
  }

  /// The job of that name and number, however old; when the store does not know it, the backend is asked for one of that
  /// id with a mark of ours.
  /// - Returns: nil when the backend was asked and has no such job of ours, or was asked too often already.
  func find(_ key: JobKey, backendID: String) async throws(JobError) -> Job? {
    if let job = try await jobs.find(key, backendID: backendID) { return job }
    let mention = "\(key)/\(backendID)"
    guard let recoveryKey = configuration.recoveryKey, progress.mayAsk(for: mention) else { return nil }
    let found: JobReport?
    do { found = try await (connector as? any RecoveringConnector)?.recover(key, backendID: backendID) } catch {
      progress.failedToAsk(for: mention)
      throw JobError(error)
    }
    guard let found, let job = recoveryKey.job(shownBy: found, connector: connector, at: clock.date), job.key == key
    else {
      return nil
    }
    do { _ = try await ledger.recover(job) } catch { throw .storage("\(error)") }
    return try await jobs.find(key)
  }

  /// - Returns: what is not to be recovered.
  private func recover(_ reports: [JobReport], at time: Date) async -> Set<String> {
    guard let key = configuration.recoveryKey else { return [] }
    let known = ledger.cache.read { Set($0.jobs.values.map(\.submissionToken)) }
    let before = progress.strangers
    var strangers: Set<String> = []
    // Of several with one mark the first is the job: the others are copies.
    let unknown = reports.filter { report in report.mark.map { !known.contains($0.token) } ?? false }
    for report in unknown.sorted(by: { $0.precedes($1) }) {
      guard let mark = report.mark else { continue }
      // By its id as well: what somebody copied a mark to is not the job that it was made for.
      let stranger = "\(report.backendID) \(mark.token)"
      guard !before.contains(stranger), !strangers.contains(stranger),
        let job = key.job(shownBy: report, connector: connector, at: time)
      else {
        strangers.insert(stranger)
        continue
      }
      do {
        if try await !ledger.recover(job) { strangers.insert(stranger) }
      } catch {
        logger.error("\(job.key): not recovered: \(error)")
        // A record that cannot be read stays so.
        if case .unusable? = error as? StoreError { strangers.insert(stranger) }
      }
    }
    return strangers
  }

  // MARK: Submits meanwhile

  /// Nothing is submitted before it is known what the backend has of a store that may have been lost. The rest of the time
  /// that a submit may take is for the backend.
  func requireSearched() async throws(JobError) {
    let deadline = clock.now + min(.seconds(3), configuration.submitTime)
    while let awaited = progress.awaited(patience: configuration.recoveryTime) {
      guard clock.now < deadline else {
        throw .unavailable(polls.status.failure ?? progress.failure ?? awaited)
      }
      try? await clock.sleep(for: .milliseconds(50))
    }
  }

  /// What a submit is answered whose job was recovered: its first answer again.
  /// - Throws: ``JobError/conflict(_:)`` when it is not the same submission.
  func backendID(
    of job: Job, submittedAgain submission: JobSpec, fingerprint: String
  ) throws(JobError) -> String {
    guard let key = configuration.recoveryKey, let id = job.backendID, job.isOwned(by: submission.owner),
      job.fingerprint == Job.adoptedFingerprint + key.content(token: job.submissionToken, fingerprint: fingerprint)
    else { throw .conflict(job.key) }
    return id
  }
}

import CProcess
import Foundation
import JobModel
import JobStore
import Synchronization

/// What is left to be done before a store that was lost is made anew as far as the backend can tell.
final class Recall: Sendable {
  private struct State {
    var isAdopting = false
    /// Since when the records of ended jobs are still to be searched: nobody knows whether the store was lost, or is an
    /// older copy.
    var unsearchedSince: Date?
    /// Why they could not be, the last time.
    var failure: String?
    var began = ContinuousClock.now
    var observed = false
    /// Tokens of jobs that were given up and seen all the same.
    var late: Set<String> = []
    /// Ids and tokens of the last observation that are nobody's to adopt.
    var strangers: Set<String> = []
    /// Jobs that were asked for in vain, and when, so that asking again and again costs the backend nothing.
    var unknown: [String: ContinuousClock.Instant] = [:]
  }

  /// How long an answer that there is no such job stands.
  private static let unknownFor = Duration.seconds(60)

  private let state = Mutex(State())

  /// From when on the store may lack jobs: three hours before the last that it knows, since the calendars of the cluster
  /// and of this machine may differ, and be set.
  static func begin(now: Date, lastSubmit: Date?, interval: TimeInterval) -> Date {
    let earliest = now - interval
    return lastSubmit.map { max(min($0, now) - 10_800, earliest) } ?? earliest
  }

  /// - Parameter since: from when on the store may lack jobs.
  func begin(adopting: Bool, since: Date) {
    state.withLock { $0 = State(isAdopting: adopting, unsearchedSince: adopting ? since : nil) }
  }

  var unsearchedSince: Date? { state.withLock { $0.unsearchedSince } }
  /// What a submit waits for, since the job might be there already without the store knowing: until the queue was seen, and
  /// the records were searched or could not be for that long. Nil when it waits for nothing.
  func awaited(patience: Duration) -> String? {
    state.withLock { state in
      guard state.isAdopting else { return nil }
      if !state.observed { return "the first poll of the backend is under way" }
      guard state.unsearchedSince != nil, .now - state.began < patience else { return nil }
      return "the records of ended jobs are being searched for jobs that the store may lack"
    }
  }
  var failure: String? { state.withLock { $0.failure } }

  func searchedRecords() { state.withLock { ($0.unsearchedSince, $0.failure) = (nil, nil) } }
  /// True when this failure is another than the one before.
  func failedToSearch(_ reason: String) -> Bool {
    state.withLock { state in
      defer { state.failure = reason }
      return state.failure != reason
    }
  }
  func isFirst(_ late: String) -> Bool { state.withLock { $0.late.insert(late).inserted } }
  func observed(strangers: Set<String>) {
    state.withLock {
      $0.observed = true
      $0.strangers = strangers
    }
  }
  var strangers: Set<String> { state.withLock { $0.strangers } }

  /// Whether the backend is to be asked for a job that the store does not know: not when it just said no, and for few
  /// in a minute, whoever asks.
  func mayAsk(for job: String) -> Bool {
    state.withLock { state in
      let now = ContinuousClock.now
      if state.unknown.count >= 100 { state.unknown = state.unknown.filter { now - $0.value < Self.unknownFor } }
      guard state.unknown.count < 100 else { return false }
      if let asked = state.unknown[job], now - asked < Self.unknownFor { return false }
      state.unknown[job] = now
      return true
    }
  }

  func failedToAsk(for job: String) { state.withLock { $0.unknown[job] = nil } }
}

extension JobService {
  /// Takes over the jobs in the queue that the backend has with a mark of ours and the store does not know.
  func adopt(from observation: Observation) async {
    recall.observed(strangers: await adopt(observation.reports, at: observation.time))
  }

  /// The same for those that ended since the store was written last, once after each start.
  func searchRecords() async {
    guard let since = recall.unsearchedSince else { return }
    do throws(BackendError) {
      _ = await adopt(try await connector.recall(since: since), at: configuration.clock.date)
      recall.searchedRecords()
      // A day's records are many megabytes, which malloc would keep.
      malloc_trim(0)
    } catch {
      if recall.failedToSearch(error.description), !Task.isCancelled {
        logger.warning("ended jobs that the store may have lost were not searched for: \(error)")
      }
    }
  }

  /// - Returns: what is nobody's to adopt.
  private func adopt(_ reports: [JobReport], at time: Date) async -> Set<String> {
    guard let adoption = configuration.adoption else { return [] }
    let known = ledger.cache.read { Set($0.jobs.values.map(\.submissionToken)) }
    let before = recall.strangers
    var strangers: Set<String> = []
    // Of several with one mark the first is the job: the others are copies.
    let unknown = reports.filter { report in report.mark.map { !known.contains($0.token) } ?? false }
    for report in unknown.sorted(by: { $0.precedes($1) }) {
      guard let mark = report.mark else { continue }
      // By its id as well: what somebody copied a mark to is not the job that it was made for.
      let stranger = "\(report.backendID) \(mark.token)"
      guard !before.contains(stranger), !strangers.contains(stranger),
        let job = adoption.job(shownBy: report, connector: connector, at: time)
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

  /// The job of that name and number, however old; when the store does not know it, the backend is asked for one of that
  /// id with a mark of ours.
  public func find(_ key: JobKey, backendID: String) async throws(JobError) -> Job? {
    if let job = try await find(key) { return job }
    return try await adopt(key, backendID: backendID)
  }

  /// - Returns: nil when the backend was asked and has no such job of ours, or was asked too often already.
  private func adopt(_ key: JobKey, backendID: String) async throws(JobError) -> Job? {
    let mention = "\(key)/\(backendID)"
    guard let adoption = configuration.adoption, recall.mayAsk(for: mention) else { return nil }
    let found: JobReport?
    do { found = try await connector.recall(key, backendID: backendID) } catch {
      recall.failedToAsk(for: mention)
      throw JobError(error)
    }
    guard let found, let job = adoption.job(shownBy: found, connector: connector, at: configuration.clock.date),
      job.key == key
    else {
      return nil
    }
    do { _ = try await ledger.recover(job) } catch { throw .storage("\(error)") }
    return try await find(key)
  }

  /// Nothing is submitted before it is known what the backend has of a store that may have been lost. The rest of the time
  /// that a submit may take is for the backend.
  func requireRecalled() async throws(JobError) {
    let deadline = ContinuousClock.now + min(.seconds(3), configuration.submitTime)
    while let awaited = recall.awaited(patience: configuration.recallTime) {
      guard ContinuousClock.now < deadline else {
        throw .unavailable(observer.status.failure ?? recall.failure ?? awaited)
      }
      try? await Task.sleep(for: .milliseconds(50))
    }
  }

  /// What a submit is answered whose job was adopted: the first answer, made anew.
  func receipt(
    forAdopted job: Job, submittedAgain submission: JobSpec, _ fingerprint: String
  ) throws(JobError) -> Receipt {
    guard let adoption = configuration.adoption, let id = job.backendID, job.isOwned(by: submission.owner),
      job.fingerprint
        == Job.adoptedFingerprint + adoption.content(token: job.submissionToken, fingerprint: fingerprint)
    else { throw .conflict(job.key) }
    return Receipt(backendID: id, shownScript: try preview(submission))
  }
}

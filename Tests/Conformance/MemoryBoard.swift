import ConnectorAPI
import Foundation
import JobModel
import Synchronization

/// The jobs of a run of the suite, in memory: what the engine and its store are to a connector.
final class MemoryBoard: JobBoard {
  private struct State {
    var jobs: [JobID: Job] = [:]
    var payloads: [JobID: JobPayload] = [:]
    var archives: [JobID: [UInt8]] = [:]
    /// The states that each job was in, in order.
    var histories: [JobID: [JobState]] = [:]
    var watcher: (@Sendable (Job) -> Void)?
  }

  private let state = Mutex(State())
  private static let source = "queue"

  var all: [Job] { state.withLock { Array($0.jobs.values) } }
  var living: [Job] { all.filter { !$0.state.isTerminal } }
  func job(_ id: JobID) -> Job? { state.withLock { $0.jobs[id] } }
  func history(of id: JobID) -> [JobState] { state.withLock { $0.histories[id] ?? [] } }
  func watch(_ body: @escaping @Sendable (Job) -> Void) { state.withLock { $0.watcher = body } }

  func insert(_ job: Job, _ payload: JobPayload?, archive: [UInt8]? = nil) {
    state.withLock { state in
      state.payloads[job.id] = payload
      state.archives[job.id] = archive
    }
    change(job.id) { $0 = $0 ?? job }
  }

  /// A change of a job, if the table of transitions accepts it.
  @discardableResult
  func apply(_ change: JobChange, to id: JobID, attempt: Int? = nil, at time: Date = Date()) -> Bool {
    self.change(id) { job in
      guard var changed = job, attempt ?? changed.attempt == changed.attempt else { return }
      try? changed.apply(change, at: time, source: Self.source)
      job = changed
    }
  }

  /// - Returns: whether it is another job now.
  @discardableResult
  private func change(_ id: JobID, _ body: (inout Job?) -> Void) -> Bool {
    // The watcher is called under the lock, so that changes reach it in order.
    state.withLock { state in
      let before = state.jobs[id]
      body(&state.jobs[id])
      guard let job = state.jobs[id], job != before else { return false }
      if job.state != before?.state { state.histories[id, default: []].append(job.state) }
      state.watcher?(job)
      return true
    }
  }

  // MARK: Reports

  /// Takes over what a snapshot shows, each report for the job that it shows.
  func take(_ snapshot: Snapshot) {
    let jobs = all.filter { $0.backendID != nil }
    let byToken = Dictionary(jobs.map { ($0.submissionToken, $0) }, uniquingKeysWith: { $1 })
    let byID = Dictionary(grouping: jobs) { $0.backendID ?? "" }
    for report in snapshot.reports {
      let marked = report.mark.flatMap { byToken[$0.token] }
      guard let job = marked ?? byID[report.backendID]?.first, report.shows(job) else { continue }
      apply(.reported(report), to: job.id, at: snapshot.time)
    }
  }

  func report(_ reports: [JobID: JobReport], at time: Date) async {
    for (id, report) in reports { apply(.reported(report), to: id, attempt: report.attempt, at: time) }
  }

  // MARK: The queue

  func place(_ placements: [JobPlacement]) async -> [Job] {
    placements.compactMap { placement in
      let isPlaced = apply(
        .placed(machine: placement.machine, devices: placement.devices, outputPath: placement.outputPath),
        to: placement.job)
      return isPlaced ? job(placement.job) : nil
    }
  }

  func putBack(_ job: Job, reason: String, asNextAttempt: Bool) async {
    apply(.putBack(reason: reason, asNextAttempt: asNextAttempt), to: job.id, attempt: job.attempt)
  }

  func fail(_ job: Job, reason: String) async {
    apply(.notStartable(reason: reason), to: job.id, attempt: job.attempt)
  }

  func endUnplaced(_ id: JobID) async { apply(.canceledUnplaced, to: id) }

  func relocate(_ id: JobID, to outputPath: String) async { change(id) { $0?.outputPath = outputPath } }

  // MARK: Payloads

  func payload(of job: Job) async throws(PayloadError) -> JobPayload {
    guard let payload = state.withLock({ $0.payloads[job.id] }) else { throw .lost("there is no such job") }
    return payload
  }

  func input(of job: Job) throws(PayloadError) -> any InputArchive {
    guard let bytes = state.withLock({ $0.archives[job.id] }) else { throw .lost("the job has no archive") }
    return MemoryArchive(bytes)
  }
}

private actor MemoryArchive: InputArchive {
  private var bytes: [UInt8]?
  init(_ bytes: [UInt8]) { self.bytes = bytes }
  func next() throws(PayloadError) -> [UInt8]? { bytes.take() }
}

import ConnectorAPI
import Foundation
import JobModel
import JobStore

/// The board of a connector, written by the ledger.
struct LedgerBoard: JobBoard {
  let ledger: Ledger
  let reconciler: Reconciler
  private var clock: JobClock { ledger.clock }

  /// The source of what Weir's own queue decides.
  private static let source = "queue"

  var living: [Job] { ledger.cache.read { $0.jobs.values.filter { !$0.state.isTerminal } } }

  func job(_ id: JobID) -> Job? { ledger.cache.read { $0.jobs[id] } }

  func watch(_ body: @escaping @Sendable (Job) -> Void) { ledger.bus.subscribe { body($0.job) } }

  func place(_ placements: [JobPlacement]) async -> [Job] {
    let placements = Dictionary(placements.map { ($0.job, $0) }, uniquingKeysWith: { $1 })
    return await ledger.transitionOnDisk(Array(placements.keys), actor: "weir") {
      [clock] job throws(IllegalTransition) in
      guard let placement = placements[job.id] else { return }
      try job.apply(
        .placed(machine: placement.machine, devices: placement.devices, outputPath: placement.outputPath),
        at: clock.date,
        source: Self.source)
    }
  }

  func putBack(_ job: Job, reason: String, asNextAttempt: Bool) async {
    await apply(.putBack(reason: reason, asNextAttempt: asNextAttempt), to: job)
  }

  func fail(_ job: Job, reason: String) async {
    await apply(.notStartable(reason: reason), to: job)
  }

  private func apply(_ change: JobChange, to job: Job) async {
    await ledger.transition(job, actor: "weir") { [attempt = job.attempt, clock] job throws(IllegalTransition) in
      guard job.attempt == attempt else { return }
      try job.apply(change, at: clock.date, source: Self.source)
    }
  }

  func endUnplaced(_ id: JobID) async {
    guard let job = job(id) else { return }
    await ledger.apply(.canceledUnplaced, to: job, actor: "weir", at: clock.date, source: Self.source)
  }

  func relocate(_ id: JobID, to outputPath: String) async {
    guard let job = job(id) else { return }
    await ledger.transition(job, actor: "weir") { $0.outputPath = outputPath }
  }

  func report(_ reports: [JobID: JobReport], at time: Date) async {
    guard !reports.isEmpty else { return }
    await reconciler.apply(reports, at: time)
  }

  func payload(of job: Job) async throws(PayloadError) -> JobPayload {
    let kept: (payload: [UInt8], shownScript: String)?
    do { kept = try await ledger.store.payload(of: job.id) } catch { throw PayloadError(StoreError(error)) }
    guard let kept else { throw .lost("its script is not in the store any more") }
    guard let payload = try? JobPayload(kept.payload, shownScript: kept.shownScript) else {
      throw .lost("its script in the store is damaged")
    }
    return payload
  }

  func input(of job: Job) throws(PayloadError) -> any InputArchive {
    do { return InputReader(try ledger.store.input(of: job.id)) } catch { throw PayloadError(error) }
  }
}

import ConnectorAPI
import JobModel
import Logging

/// What must be known before the first job starts. A store that was put back from a backup is older than the servers:
/// jobs that wait in it may have run since.
///
/// So nothing starts before every listed server was listed, or has not been reached for a while; and each job that is
/// older than this start is looked for on all of them.
final class FleetRecall: Sendable {
  private let began = ContinuousClock.now
  private let patience: Duration
  private let logger: Logger
  private let finished = Shared(false)

  /// - Parameter patience: how long servers that cannot be reached are waited for.
  init(patience: Duration, logger: Logger) {
    self.patience = patience
    self.logger = logger
  }

  var isFinished: Bool { finished.value }

  var isPatient: Bool { .now - began < patience }

  /// Whether it takes so long that people should be told.
  var isSlow: Bool { !isFinished && .now - began > .seconds(5) }

  /// The patience.
  var seconds: Int64 { patience.components.seconds }

  func finish() { finished.change { $0 = true } }

  /// Calls it when the patience is at an end.
  func afterPatience(_ body: @escaping @Sendable () -> Void) async {
    try? await Task.sleep(until: began + patience, clock: .continuous)
    body()
  }

  /// What the servers have of jobs that the store holds for waiting.
  /// - Returns: also whether all servers could be asked.
  func look(
    for old: [Job], on controllers: [ServerController]
  ) async -> (reports: [JobID: JobReport], isComplete: Bool) {
    let jobs = Dictionary(old.map { ($0.submissionToken, $0) }, uniquingKeysWith: { $1 })
    guard !jobs.isEmpty else { return ([:], true) }
    var isComplete = true
    var found: [JobID: JobReport] = [:]
    let answers = await withTaskGroup(of: (ServerController, Set<String>?).self) { group in
      for controller in controllers {
        group.addTask { (controller, await controller.sweeper.removed(of: Array(jobs.keys))) }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    for (controller, removed) in answers {
      guard let removed else {
        isComplete = false
        continue
      }
      for job in removed.compactMap({ jobs[$0] }) { found[job.id] = controller.reader.report(ofRemoved: job) }
    }
    // A directory says more than that there was one, and a later attempt more than an earlier one.
    for controller in controllers {
      for (id, stranger) in controller.status.value.strangers {
        guard let job = jobs[id.job], id.number >= job.attempt,
          !job.nodes.contains(controller.name) || id.number > job.attempt
        else { continue }
        if let other = found[job.id], other.state != .lost, other.attempt ?? 0 > id.number { continue }
        found[job.id] = stranger.report
      }
    }
    for (key, report) in found {
      logger.notice("\(key): the store has it as waiting, but \(report.nodes) has it: \(report.backendWord)")
    }
    return (found, isComplete)
  }
}

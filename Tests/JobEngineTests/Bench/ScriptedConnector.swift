import ConnectorAPI
import Foundation
import JobModel
import JobStore
import Logging
import Synchronization

@testable import JobEngine
@testable import JobStoreSQLite

/// A backend whose answers a test chooses, for what no real one does on demand: lost answers, outages, ids used anew.
class ScriptedConnector: ReleasingConnector, InputStagingConnector, OutputReadingConnector, OutputRemovingConnector,
  RecoveringConnector, @unchecked Sendable
{
  struct Script: Sendable {
    var submit: @Sendable (JobSpec, _ token: String) throws(BackendError) -> String = { _, _ in "1" }
    var observation: Result<Snapshot, BackendError> = .success(Snapshot(time: Date(), reports: []))
    var located: Result<JobReport?, BackendError> = .success(nil)
    /// By what the times below are measured.
    var clock = JobClock.system
    /// What a submit, or a poll, waits for before it is answered.
    var submitGate: Gate?
    var pollGate: Gate?
    /// How long it takes to look for a job, and how often that was done.
    var locateSlowness = Duration.zero
    var locates = 0
    /// What each job is found as, where that is not the same of all.
    var locatedOf: (@Sendable (Job) -> JobReport?)?
    /// The job that was looked for last, as it was handed over.
    var lookedFor: Job?
    var recalled: Result<[JobReport], BackendError> = .success([])
    var recallTakes = Duration.zero
    var submitWindow: TimeInterval = 0
    var output: [UInt8] = []
    /// How much the job has printed in all.
    var outputSize: Int?
    var removedFiles: [JobKey] = []
    var submits = 0
    var cancels = 0
    var cancelFailure: BackendError?
    /// What happens, once, while a cancel or a question for output is on its way.
    var meanwhile: (@Sendable () async -> Void)?
    var removal: BackendError?
    /// How long an observation takes.
    var slowness = Duration.zero
    var removed: [JobKey] = []
    var observations = 0
    /// The jobs that the last look asked about.
    var asked: [String] = []
  }

  let script = Mutex(Script())
  let name = "scripted"
  var health: [HealthIssue] { [] }
  var submitWindow: TimeInterval { script.withLock { $0.submitWindow } }

  func change(_ body: (inout Script) -> Void) { script.withLock { body(&$0) } }
  func observes(_ reports: JobReport..., accountingFailure: String? = nil, at time: Date = Date()) {
    change {
      $0.observation = .success(Snapshot(time: time, reports: reports, accountingFailure: accountingFailure))
    }
  }

  var removed: [JobKey] { script.withLock { $0.removed } }
  var removedFiles: [JobKey] { script.withLock { $0.removedFiles } }

  func outputSize(_ job: Job) async throws(BackendError) -> Int? { script.withLock { $0.outputSize } }

  func removeOutput(_ job: Job) async throws(BackendError) {
    if let failure = script.withLock({ $0.removal }) { throw failure }
    change { $0.removed.append(job.key) }
  }

  func preview(_ submission: JobSpec) throws(BackendError) -> String { submission.shownScript }
  func outputPath(of submission: JobSpec, token: String) -> String? { nil }

  func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String {
    let (gate, answer) = script.withLock { script in
      script.submits += 1
      return (script.submitGate, script.submit)
    }
    await gate?.pass()
    return try answer(submission, mark.token)
  }

  func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot {
    let (gate, slowness, answer) = script.withLock { script in
      script.observations += 1
      script.asked = jobs.map(\.name)
      return (script.pollGate, script.slowness, script.observation)
    }
    await gate?.pass()
    await wait(slowness)
    return try answer.get()
  }
  func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? {
    let (slowness, answer) = script.withLock { script in
      script.locates += 1
      script.lookedFor = job
      return (script.locateSlowness, script.locatedOf.map { .success($0(job)) } ?? script.located)
    }
    await wait(slowness)
    return try answer.get()
  }
  func recover(_ key: JobKey, backendID: String) async throws(BackendError) -> JobReport? { nil }
  func recover(since: Date) async throws(BackendError) -> [JobReport] {
    await wait(script.withLock { $0.recallTakes })
    return try script.withLock { $0.recalled }.get()
  }
  func cancel(_ job: Job) async throws(BackendError) {
    change { $0.cancels += 1 }
    await happen()
    if let failure = script.withLock({ $0.cancelFailure }) { throw failure }
  }
  func release(_ job: Job) async throws(BackendError) {}
  func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8] {
    await happen()
    return script.withLock { $0.output }
  }
  private func wait(_ duration: Duration) async {
    if duration > .zero { try? await script.withLock({ $0.clock }).sleep(for: duration) }
  }
  private func happen() async {
    let meanwhile = script.withLock { script in
      defer { script.meanwhile = nil }
      return script.meanwhile
    }
    await meanwhile?()
  }
}

/// One that also keeps the files of jobs.
final class FileKeepingScriptedConnector: ScriptedConnector, FileKeepingConnector, @unchecked Sendable {
  func removeFiles(_ job: Job) async throws(BackendError) { change { $0.removedFiles.append(job.key) } }
}

/// One that learns exit codes some time after the end.
final class LateScriptedConnector: ScriptedConnector, DelayedExitCodeConnector, @unchecked Sendable {}

/// A service on a store of its own, which is removed with it.
final class Bench {
  let directory: URL
  let connector: ScriptedConnector
  var configuration = JobService.Configuration()
  var outputLimit = 1 << 30

  init(in parent: URL = FileManager.default.temporaryDirectory, connector: ScriptedConnector = .init()) {
    self.connector = connector
    directory = parent.appendingPathComponent("weir-test-\(UUID().uuidString)")
    configuration.resolveTime = .milliseconds(10)
  }
  deinit { try? FileManager.default.removeItem(at: directory) }

  func service() throws -> JobService {
    connector.change { [clock = configuration.clock] in $0.clock = clock }
    return JobService(
      store: try SQLiteJobStore(
        directory: directory.path, outputLimit: outputLimit, clock: configuration.clock), connector: connector,
      configuration: configuration,
      logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
  }

  func submission(_ name: String = "job", number: Int = 1, script: String = "true\n") -> JobSpec {
    JobSpec(
      name: name, number: number, owner: "kirby@example.com", account: "kirby", nodes: 1, coresPerNode: 1,
      request: script, script: script, shownScript: "shown")
  }

  func report(_ job: Job, _ state: JobState?, _ outcome: Outcome? = nil) -> JobReport {
    JobReport(
      backendID: job.backendID ?? "1", mark: Mark(token: job.submissionToken), account: job.account, state: state,
      source: "scripted", backendWord: state?.rawValue ?? "ODD", outcome: outcome)
  }
}

extension Ledger {
  /// The store, for a look into the database itself.
  nonisolated var sqlite: SQLiteJobStore {
    guard let store = store as? SQLiteJobStore else { preconditionFailure("a store in SQLite is expected") }
    return store
  }
}

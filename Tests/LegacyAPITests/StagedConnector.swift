import ConnectorAPI
import Foundation
import JobEngine
import JobModel
import Synchronization

/// A backend that says what a test puts into its mouth: outages, lost answers, long times and odd bytes, none of which
/// the dummy connector can show.
final class StagedConnector: ReleasingConnector, DescribingConnector, OutputReadingConnector, DirectoryListingConnector,
  RecoveringConnector
{
  struct Stage: Sendable {
    var failure: BackendError?
    var troubles: [String] = []
    var outage: String?
    /// What is seen of every job, its id and mark filled in.
    var report = JobReport(backendID: "", state: .queued, source: "staged", backendWord: "")
    var output: [UInt8] = []
    var entries: [DirectoryEntry] = []
    var account = "what the backend says"
    /// How often the backend was asked for a job that the store does not know.
    var recalls = 0
    var lines = 0
    var path = ""
    var listingAccount: String?
    var roots: [String] = []
    /// What it was given to run last, and how often it was given something.
    var script = ""
    var submits = 0
  }

  private let stage = Mutex(Stage())
  let name = "staged"

  func change(_ body: (inout Stage) -> Void) { stage.withLock { body(&$0) } }
  var current: Stage { stage.withLock { $0 } }

  private func answer<Value>(_ body: (inout Stage) -> Value) throws(BackendError) -> Value {
    if let failure = current.failure { throw failure }
    return stage.withLock { body(&$0) }
  }

  var health: [HealthIssue] {
    current.troubles.map { .warning("staged", $0) } + (current.outage.map { [.outage("staged", $0)] } ?? [])
  }
  func preview(_ submission: JobSpec) throws(BackendError) -> String { submission.shownScript }
  func outputPath(of submission: JobSpec, token: String) -> String? { nil }
  func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String {
    try answer { stage in
      stage.script = submission.script
      stage.submits += 1
      return "58"
    }
  }
  func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? { try answer { _ in nil } }
  func cancel(_ job: Job) async throws(BackendError) { try answer { _ in } }
  func release(_ job: Job) async throws(BackendError) { try answer { _ in } }
  func describe(_ job: Job) async throws(BackendError) -> String { try answer { $0.account } }

  func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot {
    try answer { stage in
      Snapshot(
        time: Date(),
        reports: jobs.map { job in
          var report = stage.report
          report.backendID = job.backendID ?? ""
          report.mark = Mark(token: job.submissionToken)
          return report
        })
    }
  }

  func recover(since: Date) async throws(BackendError) -> [JobReport] { [] }
  func recover(_ key: JobKey, backendID: String) async throws(BackendError) -> JobReport? {
    change { $0.recalls += 1 }
    return try answer { _ in nil }
  }

  func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8] {
    try answer { stage in
      stage.lines = lines
      return stage.output
    }
  }

  func list(_ path: String, account: String?, roots: [String]) async throws(BackendError) -> [DirectoryEntry] {
    try answer { stage in
      stage.path = path
      stage.listingAccount = account
      stage.roots = roots
      return stage.entries
    }
  }
}

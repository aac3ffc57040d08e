import Conformance
import ConnectorAPI
import Foundation
import GPUConnector
import JobModel
import Logging
import Synchronization
import Testing

@testable import DummyConnector

@Suite("Connectors show what they claim", .serialized)
struct ConformanceTests {
  @Test("The connector dummy")
  func dummy() async throws {
    var configuration = DummyConnector.Configuration()
    (configuration.queuedTime, configuration.runningTime, configuration.interactive) = (1, 600, true)
    let clock = Clock()
    var subject = ConformanceSubject(DummyConnector(configuration: configuration, now: { clock.now }))
    subject.runsScripts = false
    subject.pollInterval = .milliseconds(20)
    subject.passTime = { clock.pass($0) }
    subject.casesAtOnce = 1
    try await examine(subject)
  }

  @Test("The connector local")
  func local() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
      "weir-conformance-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    var configuration = GPUConnector.Configuration()
    configuration.sweepInterval = .milliseconds(200)
    configuration.grace = .seconds(1)
    let logger = Logger(label: "conformance", factory: { _ in SwiftLogNoOpLogHandler() })
    var subject = ConformanceSubject(
      try GPUConnector(.thisMachine(root: directory.path, gpus: 0), configuration: configuration, logger: logger))
    subject.adapt = { $0.coresPerNode = 0 }
    // Other tests run beside this one.
    subject.casesAtOnce = 4
    try await examine(subject)
  }

  /// The clock of a backend that only pretends.
  private final class Clock: Sendable {
    private let time = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { time.withLock { $0 } }
    func pass(_ duration: Duration) { time.withLock { $0 += duration } }
  }

  private func examine(_ subject: ConformanceSubject) async throws {
    let report = try await ConformanceReport.examine(subject)
    print(report)
    for failure in report.failures { Issue.record("\(failure)") }
  }
}

@Suite("The conformance suite finds connectors that do not tell the truth")
struct ConformanceReportTests {
  /// A connector whose every job has ended as soon as it is polled, also those that it was never given.
  private struct LiarConnector: SuspendingConnector {
    let name = "liar"
    var health: [HealthIssue] { [] }
    func preview(_ submission: JobSpec) throws(BackendError) -> String { "" }
    func outputPath(of submission: JobSpec, token: String) -> String? { nil }
    func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String { mark.token }
    func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot {
      Snapshot(
        time: Date(),
        reports: jobs.map { job in
          JobReport(
            backendID: job.backendID ?? "", mark: Mark(token: job.submissionToken), state: .succeeded, source: "liar",
            backendWord: "done")
        })
    }
    func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? { nil }
    func cancel(_ job: Job) async throws(BackendError) {}
    func suspend(_ job: Job) async throws(BackendError) {}
    func resume(_ job: Job) async throws(BackendError) {}
  }

  @Test("Ends of unknown jobs, states that are skipped and empty claims are failures; the table shows them")
  func liar() async throws {
    var subject = ConformanceSubject(LiarConnector())
    subject.pollInterval = .milliseconds(10)
    subject.patience = .seconds(2)
    let report = try await ConformanceReport.examine(subject)
    for words in [
      "a job that the backend does not have never ends: a snapshot shows an end of it",
      "a running job is suspended and goes on: it ended as succeeded without having been running",
      "what cannot run is refused before it is submitted: the name",
      "the exit code of a script is reported: it ended as succeeded",
    ] { #expect(report.failures.contains { $0.contains(words) }, "\(words)") }
    #expect(report.description.contains("liar  suspending          0 of 2 passed\n"))
    #expect(report.description.contains("liar  holding             not claimed\n"))
  }

  @Test("A claimed capability that no case examines is a failure")
  func unexamined() async throws {
    let report = try await ConformanceReport.examine(ConformanceSubject(LiarConnector()), by: [])
    #expect(report.failures == ["liar: no case examines the capability suspending"])
  }
}

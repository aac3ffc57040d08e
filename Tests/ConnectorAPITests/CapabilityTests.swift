import Foundation
import JobModel
import Testing

@testable import ConnectorAPI

/// A connector that has only what every connector must have.
private class BareConnector: Connector, @unchecked Sendable {
  let name = "bare"
  var health: [HealthIssue] { [] }
  func preview(_ submission: JobSpec) throws(BackendError) -> String { "" }
  func outputPath(of submission: JobSpec, token: String) -> String? { nil }
  func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String { mark.token }
  func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot { Snapshot(time: Date(), reports: []) }
  func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? { nil }
  func cancel(_ job: Job) async throws(BackendError) {}
}

/// A connector that has some capabilities, one of them by its settings.
private final class AbleConnector: BareConnector, HoldingConnector, InteractiveConnector, @unchecked Sendable {
  let runsInteractiveJobs: Bool
  init(interactive: Bool) { runsInteractiveJobs = interactive }
  func release(_ job: Job) async throws(BackendError) {}
  func hold(_ job: Job) async throws(BackendError) {}
  func url(of job: Job) -> String? { nil }
}

@Suite("What connectors can do, and how they refuse the rest")
struct CapabilityTests {
  @Test("A connector has the capabilities whose protocols it conforms to, and no other")
  func conformance() {
    #expect(capabilities(of: BareConnector()).isEmpty)
    #expect(capabilities(of: AbleConnector(interactive: false)) == [.releasing, .holding])
    #expect(capabilities(of: AbleConnector(interactive: true)) == [.releasing, .holding, .interactive])
  }

  @Test("A capability that a connector has can be used, any other is refused with the connector's name")
  func refusal() throws {
    let able = AbleConnector(interactive: false)
    _ = try able.releasing
    _ = try able.holding
    #expect(throws: BackendError.refused("the connector bare cannot suspend jobs")) { _ = try able.suspending }
    #expect(throws: BackendError.refused("the connector bare cannot send signals to jobs")) { _ = try able.signalling }
    #expect(throws: BackendError.refused("the connector bare cannot release jobs")) {
      _ = try BareConnector().releasing
    }
    #expect(throws: BackendError.refused("the connector bare cannot fetch files of jobs")) {
      _ = try able.streamingFiles
    }
  }

  @Test("A place without directories has none of any name")
  func directories() {
    #expect(throws: BackendError.notFound("/data: the connector bare cannot list directories")) {
      _ = try BareConnector().listing("/data")
    }
  }

  @Test("Each refusal is a sentence of its own")
  func sentences() {
    #expect(Set(Capability.allCases.map { $0.refusal(by: "x").description }).count == Capability.allCases.count)
  }
}

import ConnectorAPI
import Foundation
import JobModel
import Testing

@Suite("What keeps a connector from its work")
struct HealthIssueTests {
  private struct AilingConnector: Connector {
    let name = "ailing"
    let health: [HealthIssue]
    func preview(_ submission: JobSpec) throws(BackendError) -> String { "" }
    func outputPath(of submission: JobSpec, token: String) -> String? { nil }
    func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String { mark.token }
    func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot { Snapshot(time: Date(), reports: []) }
    func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? { nil }
    func cancel(_ job: Job) async throws(BackendError) {}
  }

  @Test("An outage is not among the warnings, and warnings are no outage")
  func severities() {
    let ailing = AilingConnector(health: [
      .warning("alpha", "alpha: its disk is full"), .outage("servers", "no server is enabled"),
      .warning("SSH", "kirby's key is refused"),
    ])
    #expect(ailing.warnings == ["alpha: its disk is full", "kirby's key is refused"])
    #expect(ailing.outage == "no server is enabled")
    #expect(AilingConnector(health: []).outage == nil && AilingConnector(health: []).warnings.isEmpty)
  }
}

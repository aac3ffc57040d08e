import Foundation
import JobModel
import Shell
import Support
import Testing

@testable import GPUConnector
@testable import JobEngine

/// A server that says what its watch prints, and then nothing more.
private final class TellingServer: StandInServer {
  private let words: String

  init(_ words: String) { self.words = words }

  func run(
    _ command: Command, as account: String, stdin: [UInt8], limits: OutputLimits, timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult { throw .unavailable("no command is expected") }

  func stream(
    _ command: Command, as account: String, input: CommandInput, timeout: Duration?, purpose: CommandPurpose,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    try await onOutput(Array(words.utf8))
    try await Task.sleep(for: .seconds(3600))
    return CommandResult(exitStatus: 0)
  }
}

@Suite("Ends that a server tells of")
struct EndListenerTests {
  @Test("Those of its jobs are hinted at, and the server is looked at", .timeLimit(.minutes(1)))
  func hints() async throws {
    let (known, unknown) = ("01J00000000000000000000001", "01J00000000000000000000002")
    let job = Job(
      id: JobID(rawValue: known), key: JobKey(name: "job", number: 1), owner: "kirby", account: "kirby",
      connector: "gpu",
      submissionToken: known, fingerprint: "", lifecycle: .running,
      contact: Contact(seenAt: Date(), source: "queue"),
      attempt: Attempt(backendID: known, outputPath: nil, nodes: ["alpha"]), submittedAt: Date())
    var status = ServerStatus()
    status.facts = try .ofAServer()
    let (hints, wakeup, shared) = (EndHints(), Wakeup(), Shared(status))
    let server = TellingServer("ready\n\(unknown) 1\n\(known) 7\n\(known) 1\n")
    let listener = EndListener(
      ServerShell(server, shared), status: shared, jobs: Shared([job.id: job]), hints: hints, wakeup: wakeup,
      logger: .quiet)
    let listening = Task { await listener.listen() }
    await wakeup.sleep(for: .seconds(50))
    #expect(hints.take(starting: []) == [AttemptID(job: known, number: 1)])
    listening.cancel()
    await listening.value
  }
}

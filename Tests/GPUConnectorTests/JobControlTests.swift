import Foundation
import JobModel
import Shell
import Testing

@testable import GPUConnector
@testable import Jobs

/// A server that answers only once it may.
private final class SlowServer: Runner {
  let asked = Shared(0)
  private let gate: AsyncStream<Void>
  private let open: AsyncStream<Void>.Continuation

  init() { (gate, open) = AsyncStream.makeStream() }

  func answer() { open.finish() }

  var statusLines: [String] { [] }

  func run(
    _ command: Command, as account: String, stdin: [UInt8], limits: OutputLimits, timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult {
    asked.change { $0 += 1 }
    for await _ in gate {}
    return CommandResult(exitStatus: 0, stdout: Array("asked\n".utf8))
  }

  func stream(
    _ command: Command, as account: String, input: CommandInput, timeout: Duration?, purpose: CommandPurpose,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandResult { CommandResult(exitStatus: 0) }

  func upload(
    from chunks: @escaping @Sendable () async throws -> [UInt8]?, to path: String, mode: Int32, as account: String,
    timeout: Duration?
  ) async throws {}

  func download(
    _ path: String, as account: String, timeout: Duration?,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {}
}

@Suite("Jobs that are told to end")
struct JobControlTests {
  private let job = Job(
    id: "T", name: "job", number: 1, owner: "kirby", account: "kirby", connector: "gpu", submissionToken: "T",
    fingerprint: "", backendID: "T", outputPath: nil, lifecycle: .running,
    contact: Contact(seenAt: Date(), source: "queue"), nodes: ["alpha"], submittedAt: Date())

  private func makeControl(
    _ server: any Runner, grace: Duration = .seconds(60), isStarting: Bool = false
  ) throws -> JobControl {
    var status = ServerStatus()
    status.facts = try .ofAServer()
    let shell = ServerShell(server, Shared(status))
    return JobControl(shell, grace: grace, wakeup: Wakeup()) { _ in isStarting }
  }

  @Test("A server is asked by one at a time, however slow it is")
  func oneAtATime() async throws {
    let server = SlowServer()
    let control = try makeControl(server, grace: .zero)
    let first = Task { try await control.cancel(job) }
    while server.asked.value == 0 { await Task.yield() }
    let second = Task { try await control.cancel(job) }
    await control.repeatCancel(job)
    #expect(server.asked.value == 1)
    server.answer()
    try await first.value
    try await second.value
    #expect(server.asked.value <= 2, "a second one waits for the answer of the first, or comes after it")
    let asked = server.asked.value
    try await control.cancel(job)
    #expect(server.asked.value == asked + 1)
  }

  @Test("Those who wait for one answer get the same failure")
  func failed() async throws {
    let control = try makeControl(FakeServer(nil))
    for _ in 0..<2 { await #expect(throws: BackendError.self) { try await control.cancel(job) } }
  }

  @Test("One that is being started is not")
  func starting() async throws {
    let server = FakeServer("asked")
    try await makeControl(server, isStarting: true).cancel(job)
    #expect(server.commands.value.isEmpty)
  }

  @Test("It is repeated after twice the grace, or at once if it failed")
  func repeated() async throws {
    let patient = FakeServer("asked")
    let control = try makeControl(patient)
    await control.repeatCancel(job)
    await control.repeatCancel(job)
    #expect(patient.commands.value.count == 1)
    await control.keep([])
    await control.repeatCancel(job)
    #expect(patient.commands.value.count == 2)
    let answered = FakeServer("absent")
    let absent = try makeControl(answered)
    for _ in 0..<2 { await absent.repeatCancel(job) }
    #expect(answered.commands.value.count == 2, "a job that was not there may have come since")
    let unreachable = FakeServer(nil)
    let vain = try makeControl(unreachable)
    await #expect(throws: BackendError.self) { try await vain.cancel(job) }
    await vain.repeatCancel(job)
    #expect(unreachable.commands.value.count == 2)
  }
}

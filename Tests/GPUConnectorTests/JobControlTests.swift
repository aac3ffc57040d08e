import ConnectorAPI
import Foundation
import JobModel
import Shell
import Support
import Testing

@testable import GPUConnector
@testable import JobEngine

/// A server that answers only once it may.
private final class SlowServer: StandInServer {
  let asked = Shared(0)
  private let gate: AsyncStream<Void>
  private let open: AsyncStream<Void>.Continuation
  private let fails: Bool

  init(fails: Bool = false) {
    (gate, open) = AsyncStream.makeStream()
    self.fails = fails
  }

  func answer() { open.finish() }

  func run(
    _ command: Command, as account: String, stdin: [UInt8], limits: OutputLimits, timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult {
    asked.change { $0 += 1 }
    for await _ in gate {}
    if fails { throw .unavailable("no route") }
    return CommandResult(exitStatus: 0, stdout: Array("asked\n".utf8))
  }
}

@Suite("Canceling jobs of a GPU server")
struct JobControlTests {
  private let job = Job(
    id: "T", key: JobKey(name: "job", number: 1), owner: "kirby", account: "kirby", connector: "gpu",
    submissionToken: "T",
    fingerprint: "", lifecycle: .running,
    contact: Contact(seenAt: Date(), source: "queue"),
    attempt: Attempt(backendID: "T", outputPath: nil, nodes: ["alpha"]), submittedAt: Date())

  /// - Parameter calls: counts the cancels that have begun.
  private func makeControl(
    _ server: any Runner, grace: Duration = .seconds(60), isStarting: Bool = false, calls: Shared<Int> = Shared(0)
  ) throws -> JobControl {
    var status = ServerStatus()
    status.facts = try .ofAServer()
    let shell = ServerShell(server, Shared(status))
    return JobControl(shell, grace: grace, wakeup: Wakeup()) { _ in
      calls.change { $0 += 1 }
      return isStarting
    }
  }

  @Test("A server is asked by one at a time, however slow it is")
  func oneAtATime() async throws {
    let (server, calls) = (SlowServer(), Shared(0))
    let control = try makeControl(server, grace: .zero, calls: calls)
    let first = Task { try await control.cancel(job) }
    while server.asked.value == 0 { await Task.yield() }
    let second = Task { try await control.cancel(job) }
    while calls.value < 2 { await Task.yield() }
    await control.repeatCancel(job)
    server.answer()
    try await first.value
    try await second.value
    #expect(server.asked.value == 1)
    try await control.cancel(job)
    #expect(server.asked.value == 2)
  }

  @Test("Those who wait for one answer get the same failure")
  func failed() async throws {
    let (server, calls) = (SlowServer(fails: true), Shared(0))
    let control = try makeControl(server, calls: calls)
    let both = (0..<2).map { _ in Task { try await control.cancel(job) } }
    while calls.value < 2 { await Task.yield() }
    // It has joined the first once the control takes the next call.
    await control.keep([])
    server.answer()
    for task in both { await #expect(throws: BackendError.self) { try await task.value } }
    #expect(server.asked.value == 1)
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

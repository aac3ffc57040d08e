import Foundation
import Jobs
import Shell
import Testing

@testable import SlurmConnector

@Test(
  "What sbatch itself refuses is refused; only an sbatch that was ended leaves open whether the job was taken",
  arguments: [(1, false), (255, false), (124, true), (137, true), (143, true), (-1, true)])
func sbatchEnds(status: Int32, isOpen: Bool) {
  let failure = Sbatch.failure(CommandResult(exitStatus: status, stderr: Array("sbatch: error: Invalid --begin".utf8)))
  if case .interrupted = failure { #expect(isOpen) } else { #expect(!isOpen) }
}

@Suite("An sbatch that fails has not therefore submitted nothing")
struct SbatchFailureTests {
  static let unreachable =
    "echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)' >&2; exit 1"

  private func submit(to slurm: FakeSlurm) async -> Result<String, BackendError> {
    do throws(BackendError) {
      return .success(try await slurm.connector.submit(slurm.submission, mark: Mark(token: "01TOKEN")))
    } catch {
      return .failure(error)
    }
  }

  @Test(
    "What fails after slurmctld took the job has submitted it",
    arguments: [
      "exit 1", "nosuchcommand", "echo 'curl: (7) Connection refused' >&2; exit 7", "echo 'munge: no' >&2; exit 1",
      "echo 'rsync: Connection timed out' >&2; exit 30", unreachable,
    ])
  func taken(epilogue: String) async throws {
    let slurm = try FakeSlurm()
    try slurm.program("sbatch", FakeSlurm.accepts + epilogue)
    #expect(await submit(to: slurm) == .success("7"))
  }

  @Test("So has what was taken, and is over and forgotten by the queue")
  func over() async throws {
    let slurm = try FakeSlurm()
    try slurm.program("sbatch", "echo 'curl: (7) Connection refused' >&2; exit 7")
    try slurm.program(
      "sacct",
      "printf '7~jarvice_a~COMPLETED~0:0~1~1~1~2~node1~kirby~1000~weir:01TOKEN~\\n' | tr '~' '\\037'")
    #expect(await submit(to: slurm) == .success("7"))
  }

  @Test(
    "What submitted nothing is told as it was",
    arguments: [("exit 1", true), ("nosuchcommand", false), ("echo 'Connection refused' >&2; exit 7", false)])
  func nothing(program: String, isRefused: Bool) async throws {
    let slurm = try FakeSlurm()
    try slurm.program("sbatch", program)
    switch await submit(to: slurm) {
    case .failure(.refused): #expect(isRefused)
    case .failure(.unavailable): #expect(!isRefused)
    case let other: Issue.record("\(other)")
    }
  }

  @Test(
    "While the queue cannot be asked the answer is open, but for an sbatch that itself says it reached nobody",
    arguments: [("exit 1", true), ("nosuchcommand", true), (unreachable, false), (nil, false)] as [(String?, Bool)])
  func open(program: String?, isOpen: Bool) async throws {
    let slurm = try FakeSlurm()
    try slurm.program("squeue", "exit 1")
    if let program {
      try slurm.program("sbatch", program)
    } else {
      try slurm.program("timeout", "echo 'timeout: failed to run command ‘sbatch’: No such file' >&2; exit 127")
    }
    switch await submit(to: slurm) {
    case .failure(.interrupted): #expect(isOpen)
    case .failure(.unavailable): #expect(!isOpen)
    case let other: Issue.record("\(other)")
    }
  }

  @Test("No sbatch lives until its submit is given up", arguments: [30, 60, 100, 1000])
  func lifetime(deadline: Int) {
    var configuration = SlurmConnector.Configuration(observer: "kirby")
    configuration.heldBack = .seconds(10)
    configuration.fit(submitDeadline: deadline)
    #expect((16...45).contains(configuration.sbatchLimit))
    #expect(configuration.lastSubmit >= 14 + 10 + configuration.sbatchLimit + 1)
    #expect(configuration.lastSubmit <= max(deadline, 44))
  }
}

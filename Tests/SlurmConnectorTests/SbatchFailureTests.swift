import ConnectorAPI
import Foundation
import JobEngine
import JobModel
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
      """
      for word; do case $word in --delimiter=*) end=${word#*=};; esac; done
      for field in 7 jarvice_a COMPLETED 0:0 1 1 1 2 node1 kirby 1000 weir:01TOKEN ''; do printf %s "$field$end"; done
      echo
      """)
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
    #expect(configuration.submitWindow >= 14 + 10 + configuration.sbatchLimit + 1)
    #expect(configuration.submitWindow <= max(deadline, 44))
  }
}

@Test("An account whose id was found to be none of the system's is not asked for it again at once; others are")
func vettedAccounts() async throws {
  let slurm = try FakeSlurm()
  try slurm.program("id", "echo x >> \"$HOME/asked\"; cat \"$HOME/id\"")
  let connector = slurm.connector
  for (id, asked) in [("999", 1), ("1000", 2), ("999", 2)] {
    try slurm.write(id, to: "id")
    let submitted = try? await connector.submit(slurm.submission, mark: Mark(token: "01TOKEN"))
    #expect((submitted != nil) == (asked == 2) && slurm.text("asked")?.utf8.count == 2 * asked)
  }
  var configuration = SlurmConnector.Configuration(observer: "kirby")
  configuration.vettedFor = .zero
  let forgetful = SlurmConnector(runner: slurm, configuration: configuration)
  try slurm.write("1000", to: "id")
  for asked in 3...4 {
    _ = try await forgetful.submit(slurm.submission, mark: Mark(token: "01TOKEN"))
    #expect(slurm.text("asked")?.utf8.count == 2 * asked)
  }
}

@Test(
  "Nothing is submitted as an account of the system, whatever it is called",
  arguments: [(0, false), (999, false), (65_534, false), (1000, true), (70_000, true)])
func systemAccounts(id: Int, isTaken: Bool) throws {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-test-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: directory) }
  for (program, text) in [("id", "echo \(id)"), ("sbatch", "echo 58")] {
    let file = directory.appendingPathComponent(program).path
    try Data("#!/bin/sh\n\(text)\n".utf8).write(to: URL(fileURLWithPath: file))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
  }
  let home = directory.appendingPathComponent("home")
  try FileManager.default.createDirectory(at: home, withIntermediateDirectories: false)
  let submission = JobSpec(
    name: "a", number: 1, owner: "kirby@example.com", account: "redis", nodes: 1, coresPerNode: 1, request: "",
    script: "", shownScript: "")
  let command = try Sbatch(submission: submission, scratchDirectory: directory.path).command(
    Mark(token: "B"), limit: 5, isVetted: false)
  let process = Process()
  let (output, errors) = (Pipe(), Pipe())
  process.executableURL = URL(fileURLWithPath: "/bin/sh")
  process.arguments = ["-c", command.text]
  process.environment = ["PATH": "\(directory.path):/usr/bin:/bin", "HOME": home.path]
  (process.standardOutput, process.standardError) = (output, errors)
  try process.run()
  process.waitUntilExit()
  let result = CommandResult(
    exitStatus: process.terminationStatus, stdout: [UInt8](output.fileHandleForReading.readDataToEndOfFile()),
    stderr: [UInt8](errors.fileHandleForReading.readDataToEndOfFile()))
  #expect(result.succeeded == isTaken && Sbatch.jobID(in: result.stdout) == (isTaken ? "58" : nil))
  guard !isTaken else { return }
  guard case .refused(let reason) = Sbatch.failure(result) else { throw Sbatch.failure(result) }
  #expect(reason.contains("user id \(id)"))
}

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
  let submission = Submission(
    name: "a", number: 1, owner: "kirby@example.com", account: "redis", nodes: 1, coresPerNode: 1, request: "",
    script: "", shownScript: "")
  let command = try Sbatch(submission: submission, scratchDirectory: directory.path).command(Mark(token: "B"), limit: 5)
  let process = Process()
  let (output, errors) = (Pipe(), Pipe())
  process.executableURL = URL(fileURLWithPath: "/bin/sh")
  process.arguments = ["-c", command.text]
  process.environment = ["PATH": "\(directory.path):/usr/bin:/bin", "HOME": directory.path]
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

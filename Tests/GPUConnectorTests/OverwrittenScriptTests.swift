import Foundation
import Testing

@testable import GPUConnector
@testable import JobEngine

@Suite("A job that writes to Weir's scripts in the job root", .serialized)
struct OverwrittenScriptTests {
  /// Writes the text to every script there is.
  private func spoil(_ machine: ThisMachine) throws {
    let script = "for file in \"$1\"/lib/*; do echo 'exit 0' >new; mv new \"$file\"; done"
    _ = try shell(script, machine.root)
  }

  @Test("Later jobs are started and canceled, and the server is not blamed")
  func overwritten() async throws {
    let machine = try await ThisMachine()
    for number in 1...4 {
      let name = "job-\(number)"
      _ = try await machine.service.submit(machine.submission(name, script: "exec sleep 60"), actor: "test")
      let job = try await machine.job(name) { $0.state == .running }
      // The script itself runs by now.
      let session = "\(machine.root)/jobs/\(job.submissionToken)/attempt-1/session"
      _ = try shell("until [ -s \"$1\" ]; do sleep 0.1; done", session)
      try spoil(machine)
      try await machine.service.cancel(job, actor: "test")
      #expect(try await machine.job(name) { $0.state.isTerminal }.state == .canceled)
      try spoil(machine)
    }
    _ = try await machine.service.submit(machine.submission("last", script: "true"), actor: "test")
    #expect(try await machine.job("last") { $0.state.isTerminal }.state == .succeeded)
    await machine.end()
  }
}

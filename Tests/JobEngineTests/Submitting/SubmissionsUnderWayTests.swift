import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("Submits of one name and number with different content, at once")
struct RacingSubmitTests {
  let bench = Bench()

  @Test("One that comes to nothing refuses no other")
  func refused() async throws {
    let service = try bench.service()
    let connector = bench.connector
    connector.change { script in
      script.submit = { submission, _ throws(BackendError) in
        if submission.script == "false\n" { throw .refused("no") }
        return "1"
      }
    }
    let gate = Gate()
    connector.change { $0.submitGate = gate }
    let (refused, submission) = (bench.submission(script: "false\n"), bench.submission())
    let other = Task { try await service.submit(refused, actor: "test") }
    await gate.arrival()
    async let second = service.submit(submission, actor: "test")
    gate.open()
    #expect(try await second.backendID == "1")
    await #expect(throws: JobError.refused("no")) { try await other.value }
  }

  @Test("All with the content of the job get its answer, and all others a conflict")
  func sameContentSameAnswer() async throws {
    let service = try bench.service()
    for round in 0..<10 {
      let answers = await withTaskGroup(of: (script: String, isTaken: Bool).self) { group in
        for index in 0..<30 {
          let submission = bench.submission("job\(round)", script: index % 2 == 0 ? "true\n" : "false\n")
          group.addTask {
            do {
              _ = try await service.submit(submission, actor: "test")
              return (submission.script, true)
            } catch {
              #expect(error as? JobError == .conflict(submission.key))
              return (submission.script, false)
            }
          }
        }
        return await group.reduce(into: [String: Set<Bool>]()) { $0[$1.script, default: []].insert($1.isTaken) }
      }
      #expect(Set(answers.values) == [[true], [false]])
    }
    #expect(bench.connector.script.withLock { $0.submits } == 10)
  }
}

import Foundation
import Testing

@testable import GPUConnector
@testable import JobEngine
@testable import JobModel

private let one = "01J00000000000000000000001"
private let two = "01J00000000000000000000002"

private func bytes(_ lines: String...) -> [UInt8] { Array(lines.map { $0 + "\n" }.joined().utf8) }

@Suite("Jobs that a restored store holds for waiting")
struct RecallTests {
  @Test("The answer names those that were removed, of those that were asked for")
  func answer() throws {
    #expect(try RecallAnswer([], asked: [one]).removed.isEmpty)
    #expect(try RecallAnswer(bytes("removed \(two)"), asked: [one, two]).removed == [two])
    for lines in [bytes("removed \(two)"), bytes("removed"), bytes("x"), Array("removed \(one)".utf8)] {
      #expect(throws: MalformedAnswer.self) { try RecallAnswer(lines, asked: [one]) }
    }
  }

  @Test("A later attempt than the store knows counts while the job waits, and never an earlier one")
  func attempts() throws {
    var job = Job(
      id: JobID(rawValue: one), key: JobKey(name: "job", number: 1), owner: "kirby", account: "kirby", connector: "gpu",
      submissionToken: one,
      fingerprint: "", lifecycle: .queued(since: nil), contact: Contact(seenAt: Date(), source: "queue"),
      attempt: Attempt(backendID: one), submittedAt: Date())
    job.attempt = 2
    var report = JobReport(
      backendID: one, mark: Mark(token: one), state: .running, source: "sweep", backendWord: "running", nodes: ["beta"])
    for state in [JobState.queued, .held, .starting] {
      job.lifecycle = Lifecycle(state)
      for (attempt, isTaken) in [(1, false), (2, true), (3, true)] {
        report.attempt = attempt
        var after = job
        try after.apply(.reported(report), at: Date())
        #expect((after.state == .running && after.attempt == attempt) == isTaken, "\(state) \(attempt)")
      }
    }
    // One that is seen to run is this one.
    (job.lifecycle, report.attempt) = (.running, 3)
    var after = job
    try after.apply(.reported(report), at: Date())
    #expect(after == job)
  }

  @Test("Servers that cannot be reached are waited for so long, and no longer")
  func patience() async {
    let recall = FleetRecall(patience: .milliseconds(20), logger: .quiet)
    #expect(!recall.isFinished)
    await recall.afterPatience {}
    #expect(!recall.isPatient && !recall.isFinished)
    recall.finish()
    #expect(recall.isFinished)
  }
}

import Foundation
import JobEngine
import JobModel
import Testing

@testable import SlurmConnector

@Suite("What a real Slurm printed is read")
struct CapturedOutputTests {
  private func output(of program: String) throws -> [UInt8] {
    let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return [UInt8](try Data(contentsOf: repository.appendingPathComponent("connectors/slurm/testcases/\(program).out")))
  }

  @Test("squeue: tasks, components, and a job with any byte in its name and comment")
  func squeue() throws {
    let seen = try Squeue.reports(try output(of: "squeue"), SqueueTable(mark: "m0"))
    let states = Dictionary(uniqueKeysWithValues: seen.map { ($0.backendID, $0.state) })
    #expect(
      states == [
        "123": .queued, "129": .running, "130": .running, "124": .running, "125": .running, "126": .held,
        "127": .queued, "128": .canceled, "131": .failed,
      ])
    let canceled = try #require(seen.first { $0.backendID == "128" })
    #expect(canceled.nodes == ["node3", "node4"] && canceled.mark?.token == "01CANCEL" && canceled.elapsed == 2)
    #expect(seen.first { $0.backendID == "126" }?.name == "line\nend")
    #expect(seen.allSatisfy { $0.account == "kirby" && $0.submittedAt != nil })
  }

  @Test("sacct: each record, with the mark from the line of the submit")
  func sacct() throws {
    let records = try Sacct(submitLine: true, mark: "m0").records(try output(of: "sacct"))
    #expect(records.map(\.id) == ["124", "125", "126", "127", "128", "129", "130", "123", "131"])
    let failed = try #require(records.last)
    #expect(
      failed.exitCode == 3 && failed.mark?.token == "01FAIL" && failed.report.outcome == Outcome(.failed, exitCode: 3)
    )
    #expect(records.first { $0.id == "128" }?.canceler == "kirby")
    #expect(records.first { $0.id == "126" }?.name == "jarvice_line\nend")
  }

  @Test("scontrol: the component that was asked for, and none for an id that it does not know")
  func scontrol() throws {
    let records = try Scontrol(mark: "m0").records(try output(of: "scontrol"))
    #expect(records.map(\.id) == ["124", "126", "128"])
    #expect(records.map(\.word) == ["RUNNING", "PENDING", "CANCELLED"])
    #expect(records.map(\.nodes) == [["node1"], [], ["node3", "node4"]] && records[2].signal == 15)
  }

  @Test("scontrol: of the tasks of an array the one with the id")
  func task() throws {
    let scontrol = Scontrol()
    let delimiter = MarkedText.delimiter(scontrol.mark)
    let text = "JobId=9 ArrayJobId=7 JobName=x JobState=FAILED\nJobId=7 ArrayJobId=7 JobName=x JobState=RUNNING"
    let output = Array((delimiter + "7\u{1f}0\u{1f}" + text + delimiter).utf8)
    #expect(try scontrol.records(output).first?.word == "RUNNING")
  }
}

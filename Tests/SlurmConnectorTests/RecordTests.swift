import ConnectorAPI
import Foundation
import JobEngine
import JobModel
import Testing

@testable import SlurmConnector

@Suite("What Slurm's records say of an end")
struct RecordTests {
  private let sacct = Sacct(submitLine: true)
  private let olderSacct = Sacct(submitLine: false)

  /// A record as sacct prints it.
  private func row(
    _ id: String, state: String, exit: String = "0:0", submit: String = "1795231152", nodes: String = "node1",
    name: String = "jarvice_a", comment: String = "", line: String? = "sbatch --comment=weir:B x"
  ) -> String {
    let columns = [
      id, name, state, exit, "61", submit, "1795231153", "1795231214", nodes, "kirby", "1001", comment,
    ]
    let delimiter = (line == nil ? olderSacct : sacct).delimiter
    return (columns + (line.map { [$0] } ?? [])).map { $0 + delimiter }.joined() + "\n"
  }

  private func reports(_ rows: String..., by sacct: Sacct? = nil) throws -> [JobReport] {
    try (sacct ?? self.sacct).records(Array(rows.joined().utf8)).map(\.report)
  }

  @Test(
    "Ends are told apart, in plain words",
    arguments: [
      ("COMPLETED", "0:0", Outcome.succeeded, ""), ("FAILED", "3:0", .failed, "ended with exit code 3"),
      ("FAILED", "0:9", .failed, "ended by signal 9"),
      ("OUT_OF_MEMORY", "0:125", .outOfMemory, "it used more memory than it asked for; ended by signal 125"),
      ("TIMEOUT", "0:0", .timeLimit, "it reached its time limit"),
      ("NODE_FAIL", "0:0", .nodeFailure, "a node failed under it"),
      ("PREEMPTED", "0:0", .preempted, "it made room for a job of higher priority"),
      ("DEADLINE", "0:0", .deadline, "it could not end before its deadline"),
      ("BOOT_FAIL", "0:0", .launchFailed, "its nodes could not be started"),
      ("CANCELLED by 1001", "0:15", .canceled, "canceled by kirby"),
      ("CANCELLED by 0", "0:0", .canceled, "canceled by root"),
      ("CANCELLED by 77", "0:0", .canceled, "canceled by the user with id 77"), ("CANCELLED", "0:0", .canceled, ""),
    ] as [(String, String, Outcome, String)])
  func ends(word: String, exit: String, outcome: Outcome, reason: String) throws {
    let report = try #require(try reports(row("2", state: word, exit: exit)).first)
    #expect(
      report.outcome?.agrees(with: outcome) == true && report.state == outcome.state && report.reason == reason)
  }

  @Test("Code, signal, time, nodes and mark are read, with sacct's line of the submit and without")
  func columns() throws {
    for reports in [
      try reports(row("2", state: "FAILED", exit: "3:0")),
      try reports(row("2", state: "FAILED", exit: "3:0", comment: "weir:B", line: nil), by: olderSacct),
    ] {
      let report = try #require(reports.first)
      #expect(report.outcome?.exitCode == 3 && report.outcome?.signal == nil && report.elapsed == 61)
      #expect(report.mark?.token == "B" && report.name == "a" && report.nodes == ["node1"])
      #expect(report.startedAt == Date(timeIntervalSince1970: 1_795_231_153) && report.account == "kirby")
    }
    #expect(try reports(row("2", state: "FAILED", nodes: "None assigned")).first?.nodes == [])
    #expect(try reports(row("12_3", state: "FAILED"), "2|FAILED", "").isEmpty)
    #expect(try reports("Welcome!\n", row("2", state: "FAILED"), "Bye.\n").map(\.backendID) == ["2"])
    #expect(throws: BackendError.unavailable("the output of sacct is incomplete")) {
      try reports(String(row("2", state: "FAILED").dropLast(9)))
    }
  }

  @Test("What a user names a job, or writes into its comment, is no record of another job")
  func forged() throws {
    let columns = ["99", "jarvice_victim", "COMPLETED", "0:0", "1", "1", "1", "1", "node1", "mario", "1002", "", ""]
    for separator in ["\u{1f}", Sacct(submitLine: true).delimiter] {
      let text = "x\n" + (columns + columns).joined(separator: separator) + "\n"
      let found = try reports(
        row("2", state: "FAILED", name: "jarvice_" + text, comment: text, line: text), row("3", state: "COMPLETED"))
      #expect(found.map(\.backendID) == ["2", "3"] && found.map(\.name) == [text, "a"])
      #expect(found.map(\.state) == [.failed, .succeeded])
    }
  }

  @Test("Nor is it one in what scontrol says")
  func forgedForScontrol() throws {
    let scontrol = Scontrol()
    func answer(_ id: String, _ text: String, mark: String) -> String {
      "\u{1f}" + [mark, id, "0", text, mark].joined(separator: "\u{1f}") + "\u{1f}\n"
    }
    let forged = answer("99", "JobId=99 JobName=jarvice_victim JobState=COMPLETED", mark: Scontrol().mark)
    let text = answer("2", "JobId=2 JobName=jarvice_x\n\(forged) JobState=FAILED", mark: scontrol.mark)
    let records = try scontrol.records(Array((text + answer("3", "JobName=jarvice_b", mark: scontrol.mark)).utf8))
    #expect(records.map(\.id) == ["2", "3"])
    #expect(records.last?.report.name == "b")
  }

  @Test(
    "A name cannot say in scontrol's answer how its job ended",
    arguments: [
      ("x JobState=COMPLETED ExitCode=0:0", JobState.running), ("x UserId=kirby(1002) JobState=COMPLETED", nil),
      ("x y", .running),
    ])
  func forgingNames(name: String, state: JobState?) throws {
    let scontrol = Scontrol()
    let text =
      "JobId=2 JobName=jarvice_\(name) UserId=kirby(1002) JobState=RUNNING RunTime=00:01:00 NodeList=node1 Comment=weir:B"
    let parts = [scontrol.mark, "2", "0", text, scontrol.mark]
    let records = try scontrol.records(Array(("\u{1f}" + parts.joined(separator: "\u{1f}") + "\u{1f}\n").utf8))
    #expect(records.map(\.report.state) == (state.map { [$0] } ?? []))
  }

  @Test("Of a requeued job the last record counts; an id that was given out anew is two jobs")
  func duplicates() throws {
    let requeued = try reports(
      row("2", state: "NODE_FAIL", submit: "100"), row("2", state: "COMPLETED", submit: "200"),
      row("3", state: "COMPLETED", submit: "200"), row("3", state: "REQUEUED", submit: "100"))
    #expect(requeued.map(\.state) == [.succeeded, .succeeded])
    let reused = try reports(
      row("2", state: "COMPLETED", submit: "100"), row("2", state: "FAILED", submit: "200", line: "weir:C"))
    #expect(reused.map(\.mark?.token) == ["B", "C"])
  }

  @Test("slurmctld's last word is read; what it no longer knows is no record, and no answer is an error")
  func scontrol() throws {
    let scontrol = Scontrol()
    func answer(_ words: String...) -> [UInt8] {
      Array(("\u{1f}" + ([scontrol.mark] + words + [scontrol.mark]).joined(separator: "\u{1f}") + "\u{1f}\n").utf8)
    }
    let known = answer(
      "5158", "0",
      "JobId=5158 JobName=jarvice_evt UserId=kirby(1002) JobState=FAILED Reason=NonZeroExitCode Restarts=1 ExitCode=3:0 "
        + "RunTime=1-00:00:01 SubmitTime=1795246152 StartTime=1795246154 EndTime=1795246155 NodeList=node[1-2] "
        + "Comment=weir:B JobState=COMPLETED")
    let records = try scontrol.records(known + answer("7", "1", "slurm_load_jobs error: Invalid job id specified"))
    let report = try #require(records.first?.report)
    #expect(records.count == 1 && report.outcome == Outcome(.failed, exitCode: 3) && report.elapsed == 86_401)
    #expect(report.account == "kirby" && report.mark?.token == "B" && report.nodes == ["node1", "node2"])
    #expect(throws: BackendError.self) {
      try scontrol.records(answer("7", "1", "Unable to contact slurm controller"))
    }
  }

  @Test(
    "Reasons for waiting are told in plain words beside Slurm's own",
    arguments: [
      ("Priority", "other jobs go first (Priority)"), ("Licenses", "waits for licences (Licenses)"),
      ("QOSMaxCpuPerUserLimit", "waits for a limit of its quality of service (QOSMaxCpuPerUserLimit)"),
      ("AssocGrpGRES", "waits for a limit of its account or user (AssocGrpGRES)"),
      ("JobHeldUser", "held by its user (JobHeldUser)"),
      ("job requeued in held state", "requeued and held (job requeued in held state)"),
      (
        "ReqNodeNotAvail, UnavailableNodes:node[1-2]",
        "a node that it asks for is not available (ReqNodeNotAvail, UnavailableNodes:node[1-2])"
      ),
      ("ReasonOf2030", "ReasonOf2030"), ("None", ""), ("", ""),
    ])
  func reasons(word: String, sentence: String) { #expect(SlurmReason.sentence(waiting: word) == sentence) }

  @Test(
    "Every state of Slurm 20.11 to 25.05 has its meaning",
    arguments: [
      "BOOT_FAIL", "CANCELLED", "COMPLETED", "CONFIGURING", "COMPLETING", "DEADLINE", "FAILED", "NODE_FAIL",
      "OUT_OF_MEMORY", "PENDING", "PREEMPTED", "RUNNING", "RESV_DEL_HOLD", "REQUEUE_FED", "REQUEUE_HOLD", "REQUEUED",
      "RESIZING", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "SUSPENDED", "TIMEOUT", "BF", "CA", "CD", "CF",
      "CG",
      "DL", "F", "NF", "OOM", "PD", "PR", "R", "RD", "RF", "RH", "RQ", "RS", "SI", "SE", "SO", "ST", "S", "TO",
      "RUNNING,POWER_UP_NODE", "PENDING,LAUNCH_FAILED", "NODE_FAIL,RECONFIG_FAIL", "PENDING,EXPEDITING",
    ])
  func known(word: String) { #expect(SlurmState.meaning(of: word).state != nil) }
}

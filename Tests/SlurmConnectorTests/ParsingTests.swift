import ConnectorAPI
import Foundation
import JobEngine
import JobModel
import Testing

@testable import SlurmConnector

@Suite("Slurm's words are read exactly")
struct ParsingTests {
  @Test(
    "Host lists are expanded",
    arguments: [
      ("", []), ("node1", ["node1"]), ("node[1-3,7]", ["node1", "node2", "node3", "node7"]),
      ("n[08-10]", ["n08", "n09", "n10"]), ("a1,b[1-2]-ib", ["a1", "b1-ib", "b2-ib"]),
      ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]), ("broken[1-", ["broken[1-"]), ("n[3-1]", ["n3-1"]),
    ] as [(String, [String])])
  func hostLists(text: String, names: [String]) { #expect(HostList.expand(text) == names) }

  @Test("A host list that would fill the memory is cut")
  func hugeHostList() {
    #expect(HostList.expand("n[1-999999999]").count == HostList.limit)
    #expect(HostList.expand("n[1-9999][1-9999][1-9999]").count <= HostList.limit)
  }

  @Test(
    "Elapsed times are read",
    arguments: [
      ("0:00", 0), ("3:04", 184), ("1:02:03", 3723), ("1-02:03:04", 93_784), ("26:03:04", 93_784),
      ("INVALID", nil), ("", nil), ("-1:00", nil), ("1-", nil), ("99999999999999999999:00", nil),
    ] as [(String, Int?)])
  func elapsed(text: String, seconds: Int?) { #expect(SlurmTime.seconds(text) == seconds) }

  @Test(
    "States have their meaning, cancelled by whom included",
    arguments: [
      ("CANCELLED by 1000", JobState.canceled, Outcome.canceled), ("CANCELLED+", .canceled, .canceled),
      ("NODE_FAIL", .failed, .nodeFailure), ("OOM", .failed, .outOfMemory), ("TO", .failed, .timeLimit),
      ("COMPLETED,REQUEUED", .requeued, nil), ("COMPLETED,COMPLETING", .running, nil),
      ("[\"NODE_FAIL\",\"UPDATE_DB\"]", .failed, .nodeFailure), ("PENDING,SPECIAL_EXIT", .held, nil),
      ("REVOKED", nil, nil), ("COMPLETED,NEW_WORD", nil, nil), ("", nil, nil),
      ("COMPLETING", .running, nil), ("REQUEUE_HOLD", .requeued, nil), ("NEW_WORD_OF_2030", nil, nil),
    ] as [(String, JobState?, Outcome?)])
  func states(word: String, state: JobState?, outcome: Outcome?) {
    let meaning = SlurmState.meaning(of: word)
    #expect(meaning.state == state && meaning.outcome == outcome)
  }

  private func row(_ mark: String, _ columns: [String]) -> String { SqueueRow.text(columns, mark: mark) }

  @Test("Only rows with our mark are read, whatever stands around them")
  func squeue() throws {
    let (table, _) = try Squeue.command()
    let ours = [
      "58", "RUNNING", "None", "0:03", "1795231152", "1795231153", "N/A", "node[1-2]", "kirby", "weir:01KAZ9",
      "jarvice_a",
    ]
    var forged = ours
    forged[1] = "COMPLETED"
    let output =
      "Welcome to the cluster!\n" + row("guess", forged) + row(table.mark, ours)
      + row(table.mark, ["59", "PENDING", "Priority", "0:00", "1", "N/A", "N/A", "", "mario", "(null)", "other"])
    let reports = try Squeue.reports(Array(output.utf8), table)
    let report = try #require(reports.first)
    #expect(reports.count == 1)
    #expect(
      report.backendID == "58" && report.mark?.token == "01KAZ9" && report.name == "a"
        && report.account == "kirby")
    #expect(report.state == .running && report.nodes == ["node1", "node2"] && report.elapsed == 3)
    #expect(report.startedAt == Date(timeIntervalSince1970: 1_795_231_153) && report.endedAt == nil)
  }

  @Test("Each call of squeue has another mark")
  func marks() throws { #expect(try Squeue.command().table.mark != Squeue.command().table.mark) }

  @Test(
    "A pending job that somebody holds is held",
    arguments: ["JobHeldUser", "JobHeldAdmin", "job requeued in held state"])
  func held(reason: String) throws {
    let (table, _) = try Squeue.command()
    let output = row(
      table.mark, ["3", "PENDING", reason, "0:00", "1", "N/A", "N/A", "", "kirby", "weir:A", "jarvice_a"])
    #expect(try Squeue.reports(Array(output.utf8), table).first?.state == .held)
  }

  @Test(
    "The job id is sbatch's only line; beside anything else it is not trusted",
    arguments: [
      ("58\n", "58"), ("58;cluster\n", "58"), ("motd\nLua says hello\n58\n", nil), ("58\n59\n", nil),
      ("Submitted\n", nil), ("", nil), (";", nil), ("99999999999\n", nil),
    ] as [(String, String?)])
  func jobID(output: String, id: String?) { #expect(Sbatch.jobID(in: Array(output.utf8)) == id) }
}

@Suite("What sbatch is given is checked first")
struct SbatchTests {
  private func submission(_ change: (inout JobSpec) -> Void) -> JobSpec {
    var submission = JobSpec(
      name: "20261121010101-AAAAA-testapp-kirbystar_s1", number: 1, owner: "k", account: "kirby", nodes: 2,
      coresPerNode: 4, request: "", script: "true\n", shownScript: "true\n")
    change(&submission)
    return submission
  }

  private static let wrong: [(String, @Sendable (inout JobSpec) -> Void)] = [
    ("name", { $0.name = "a b" }), ("name", { $0.name = "-a" }), ("name", { $0.name = "a'$(touch x)" }),
    ("name", { $0.name = "../a" }), ("name", { $0.name = "a|b" }), ("nodes", { $0.nodes = 0 }),
    ("nodes", { $0.nodes = .max }), ("coresPerNode", { $0.coresPerNode = .max }),
    ("timeLimit", { $0.timeLimit = "1:00; touch x" }), ("licenses", { $0.licenses = "a$(touch x)" }),
    ("licenses", { $0.licenses = "--wrap=x" }), ("partition", { $0.partition = "all --wrap=x" }),
    ("sbatch_output", { $0.options = [.init(name: "output", value: "/etc/passwd")] }),
    ("sbatch_uid", { $0.options = [.init(name: "uid", value: "0")] }),
    ("sbatch_comment", { $0.options = [.init(name: "comment", value: "weir:x")] }),
    ("option qos", { $0.options = [.init(name: "qos", value: "a\nb")] }),
    ("sbatch_wrap", { $0.options = [.init(name: "wrap", value: "touch x")] }),
    ("the name of an option", { $0.options = [.init(name: "qos=a --wrap", value: "x")] }),
  ]

  @Test("A value that cannot be is refused by name", arguments: wrong.indices)
  func refused(index: Int) {
    let (name, change) = Self.wrong[index]
    let error = #expect(throws: BackendError.self) {
      try Sbatch(submission: submission(change), scratchDirectory: "").validate()
    }
    #expect(error?.description.contains(name) == true)
  }

  @Test("The README lists the options that can be set, and no other")
  func documentedOptions() throws {
    let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("connectors/slurm/README.md")
    let text = try String(contentsOf: readme, encoding: .utf8)
    let start = try #require(text.range(of: "`sbatch_<option>=<value>`:\n\n")).upperBound
    let end = try #require(text.range(of: ".\n\n", range: start..<text.endIndex)).lowerBound
    let listed = text[start..<end].split { ", \n".contains($0) }.map(String.init)
    #expect(listed == Sbatch.allowedOptions.sorted())
  }

  @Test("The options are those of the contract")
  func arguments() throws {
    let submission = submission {
      $0.memoryPerNode = 1
      $0.gpusPerNode = 2
      $0.timeLimit = "00:05:00"
      $0.licenses = "matlab:1"
      $0.partition = "debug"
      $0.options = [.init(name: "qos", value: "a b")]
    }
    let sbatch = Sbatch(submission: submission, scratchDirectory: "/scratch")
    try sbatch.validate()
    #expect(
      sbatch.arguments(Mark(token: "T")) == [
        "sbatch", "--parsable", "--job-name=jarvice_20261121010101-AAAAA-testapp-kirbystar_s1",
        "--output=/scratch/.jarvice/20261121010101-AAAAA-testapp-kirbystar_s1.out", "--comment=weir:T", "--nodes=2",
        "--ntasks=8", "--mem=1G", "--gpus-per-node=2", "--time=00:05:00", "--licenses=matlab:1", "--partition=debug",
        "--exclusive", "--qos=a b",
      ])
  }
}

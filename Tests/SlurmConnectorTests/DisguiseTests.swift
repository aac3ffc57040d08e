import ConnectorAPI
import Foundation
import JobModel
import Logging
import Testing

@testable import JobEngine
@testable import JobStoreSQLite
@testable import SlurmConnector

@Suite("A job is the one of the id that was answered, whatever its user changes")
struct DisguiseTests {
  let slurm: FakeSlurm
  let now = Int(Date().timeIntervalSince1970)

  init() throws {
    slurm = try FakeSlurm()
    try slurm.program("scontrol", "echo 'slurm_load_jobs error: Invalid job id specified'; exit 1")
  }

  /// A job that was submitted and got the id 7.
  private func submitted(to slurm: FakeSlurm) async throws -> (JobService, Job) {
    let service = JobService(
      store: try SQLiteJobStore(directory: slurm.home.appendingPathComponent("state").path), connector: slurm.connector,
      logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    _ = try await service.submit(slurm.submission, actor: "test")
    let job = try #require(service.recent(slurm.submission.key))
    #expect(job.backendID == "7")
    return (service, job)
  }

  private func queue(_ rows: String...) throws {
    try slurm.write(rows.map { $0 + "\n" }.joined(), to: "queue")
  }

  /// What a user can make of the comment and the name.
  private static let disguises = [
    ("", "x"), ("note", "mine"), ("", "jarvice_a"), ("", "jarvice_b"), ("weir:", "x"), ("weir:01OTHER", "x"),
    ("weir:01OTHER", "jarvice_a"), ("weir:01OTHER:1:k:c:s", "jarvice_b"), ("MARK", "x"), ("", ""),
  ]

  @Test("It is followed and canceled by its id, and a copy of its mark is not it", arguments: disguises)
  func disguised(comment: String, name: String) async throws {
    let (service, job) = try await submitted(to: slurm)
    func queue(_ state: String) throws {
      let rows = [
        "3|RUNNING|MARK|jarvice_a|kirby|\(now)", "7|\(state)|\(comment)|\(name)|kirby|\(now)",
        "9|FAILED|MARK|jarvice_a|kirby|\(now)",
      ]
      let mark = "weir:" + job.submissionToken
      try slurm.write(rows.map { $0 + "\n" }.joined().replacingOccurrences(of: "MARK", with: mark), to: "queue")
    }
    try queue("RUNNING")
    _ = await service.poller.poll()
    let seen = try #require(service.recent(job.key))
    #expect(seen.backendID == "7" && seen.state == .running)
    #expect(try await slurm.connector.find(seen, timeout: .seconds(10))?.backendID == "7")
    try await service.cancel(seen, actor: "test")
    #expect(slurm.text("canceled") == "7\n")
    try queue("CANCELLED")
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .canceled && service.recent(job.key)?.backendID == "7")
  }

  /// Jobs that have the id after Slurm was reset: comment, name, account, and how long after the submit they came.
  private static let others =
    [
      ("", "x", "mario", 0), ("weir:01TOKEN", "jarvice_a", "mario", 0), ("", "x", "kirby", 86_400),
      ("", "x", "kirby", -86_400), ("", "jarvice_a", "kirby", -86_400), ("weir:01OTHER", "jarvice_b", "kirby", 86_400),
      ("", "x", "kirby", nil),
    ] as [(String, String, String, Int?)]

  @Test("Another job of that id is not it", arguments: others.indices)
  func another(index: Int) async throws {
    let (comment, name, account, delay) = Self.others[index]
    try queue("7|RUNNING|\(comment)|\(name)|\(account)|\(delay.map { String(now + $0) } ?? "N/A")")
    let job = slurm.job("7")
    let seen = try await slurm.connector.snapshot(of: [job]).reports
    #expect(!seen.contains { $0.shows(job) })
    #expect(try await slurm.connector.find(job, timeout: .seconds(10)) == nil)
    if account != job.account || name != "jarvice_a" {
      await #expect(throws: BackendError.self) { try await slurm.connector.cancel(job) }
      #expect(slurm.text("canceled") == nil)
    }
  }

  @Test("The line of the submit, where Slurm keeps it, says whether a job of that id is it")
  func submitLine() async throws {
    try queue("7|RUNNING||x|kirby|\(now)")
    try slurm.program("sacct", "echo 'sbatch run.sh'")
    await #expect(throws: BackendError.self) { try await slurm.connector.cancel(slurm.job("7")) }
    try slurm.program("sacct", "echo 'sbatch --comment=weir:01TOKEN:1:k:c:s --nodes=1'")
    try await slurm.connector.cancel(slurm.job("7"))
    #expect(slurm.text("canceled") == "7\n")
  }

  @Test(
    "An id that sbatch answered wrongly is put right by the mark, if the line of the submit proves that it is wrong",
    arguments: [
      ("sbatch run.sh", "12"), ("sbatch --comment=MARK --nodes=1", "7"), ("sbatch --comment=MARK:1:k:c:s", "7"),
      ("", "7"),
    ])
  func wrongID(line: String, id: String) async throws {
    let (service, job) = try await submitted(to: slurm)
    let mark = "weir:" + job.submissionToken
    try queue("7|RUNNING||x|kirby|\(now)", "12|RUNNING|\(mark)|jarvice_a|kirby|\(now)")
    try slurm.write(line.replacingOccurrences(of: "MARK", with: mark), to: "line")
    try slurm.program(
      "sacct",
      """
      echo x >> "$HOME/asked"
      for word; do case $word in --delimiter=*) d=${word#*=};; --format=*) columns=${word#*=};; esac; done
      IFS=,
      for column in $columns; do
        case $column in
          JobIDRaw) text=7;; JobName) text=x;; User) text=kirby;; State) text=RUNNING;; Submit) text=\(now);;
          SubmitLine) text=$(cat "$HOME/line");; *) text=;;
        esac
        printf '%s%s' "$text" "$d"
      done
      echo
      """)
    for _ in 0..<3 { _ = await service.poller.poll() }
    let seen = try #require(service.recent(job.key))
    #expect(seen.backendID == id && seen.state == .running)
    #expect(slurm.text("asked") == "x\n", "accounting is asked once")
  }

  /// Records of an earlier job that had the id before slurmctld lost its state, within the two hours by which clocks may
  /// differ: name, comment and line of the submit, and when it ended; sacct has that column or not. Our own job's record has
  /// lost its name, or is missing.
  private static let earlier =
    [
      ("jarvice_b", "", "sbatch --comment=weir:01OTHER:1:k:c:s", -2000),
      ("jarvice_b", "weir:01TOKEN", "sbatch --comment=weir:01OTHER:1:k:c:s", 10),
      ("jarvice_a", "", "sbatch --comment=weir:01OTHER", 10),
      ("jarvice_b", "", nil, -2000), ("x", "note", nil, -2000),
    ] as [(String, String, String?, Int)]

  @Test("How an earlier job of the id ended says nothing of the one that ran", arguments: earlier.indices)
  func earlierEnd(index: Int) async throws {
    let (name, comment, line, ended) = Self.earlier[index]
    let (service, job) = try await submitted(to: slurm)
    try queue("7|RUNNING|weir:\(job.submissionToken)|jarvice_a|kirby|\(now)|\(now)")
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .running && service.recent(job.key)?.startedAt != nil)
    try queue()
    let records = [
      [
        "7", name, "COMPLETED", "0:0", "1", "\(now - 2300)", "\(now - 2200)", "\(now + ended)", "node1", "kirby", "1",
        comment,
      ]
        + [line].compactMap(\.self),
      ["7", "allocation", "CANCELLED", "0:0", "1", "\(now)", "\(now)", "\(now + 10)", "node1", "kirby", "1", ""]
        + (line == nil ? [] : [""]),
    ]
    try slurm.program("sacct", Self.answering(records, withLine: line != nil))
    let shown = try await slurm.connector.snapshot(of: [try #require(service.recent(job.key))]).reports
    #expect(!shown.contains { $0.outcome == .succeeded && $0.shows(job) }, "\(shown)")
    for _ in 0..<3 { _ = await service.poller.poll() }
    #expect(service.recent(job.key)?.state != .succeeded)
    #expect(
      try await slurm.connector.find(try #require(service.recent(job.key)), timeout: .seconds(10))?.outcome
        != .succeeded)
  }

  /// A program that answers as sacct does with these records.
  private static func answering(_ records: [[String]], withLine: Bool) -> String {
    let rows = records.map { fields in
      fields.map { "printf '%s%s' '\($0)' \"$d\"" }.joined(separator: "\n") + "\necho"
    }
    let refusal =
      withLine
      ? "" : "case $* in *SubmitLine*) echo 'sacct: fatal: Invalid field requested: \"SubmitLine\"' >&2; exit 1;; esac"
    return ([refusal, "for word; do case $word in --delimiter=*) d=${word#*=};; esac; done"] + rows)
      .joined(separator: "\n")
  }

  @Test("A job that was requeued after it ran for long is it")
  func requeued() async throws {
    try queue("7|PENDING||x|kirby|\(now)")
    let job = slurm.job("7", age: 500_000)
    #expect(try await slurm.connector.snapshot(of: [job]).reports.contains { $0.shows(job) })
  }

  @Test("Of several jobs with the mark of a submit whose answer was lost, the first is it")
  func copies() async throws {
    try queue("12|RUNNING|weir:01TOKEN|jarvice_a|kirby|\(now)", "9|RUNNING|weir:01TOKEN|x|kirby|\(now)")
    #expect(try await slurm.connector.find(slurm.job(nil), timeout: .seconds(10))?.backendID == "9")
  }
}

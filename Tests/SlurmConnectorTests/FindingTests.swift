import ConnectorAPI
import Foundation
import JobModel
import Shell
import Testing

@testable import JobEngine
@testable import SlurmConnector

@Suite("A job is looked for in every record that Slurm keeps")
struct LocateTests {
  let slurm: FakeSlurm
  let observer = "jarvice"
  var connector: SlurmConnector { slurm.connector(observer: observer) }

  init() throws { slurm = try FakeSlurm() }

  private func locate(_ id: String?, age: TimeInterval = 0) async throws -> JobReport? {
    try await connector.find(slurm.job(id, age: age), timeout: .seconds(10))
  }

  /// What sacct answers: `id|name|state|comment`.
  private func record(_ text: String) throws {
    try slurm.write(text + "\n", to: "records")
    try slurm.program(
      "sacct",
      """
      for word; do case $word in --delimiter=*) d=${word#*=};; --format=*) columns=${word#*=};; esac; done
      IFS='|' read -r id name state comment < "$HOME/records"
      IFS=,
      for column in $columns; do
        case $column in
          JobIDRaw) text=$id;; JobName) text=$name;; User) text=kirby;; Comment) text=$comment;; State) text=$state;;
          ExitCode) text=0:0;; *) text=;;
        esac
        printf '%s%s' "$text" "$d"
      done
      echo
      """)
  }

  @Test("In the queue as its own account, whatever its name is now")
  func renamed() async throws {
    try slurm.write("5|RUNNING|weir:01TOKEN|renamed|kirby\n", to: "queue")
    #expect(try await locate("5")?.source == "squeue")
    #expect(try await locate(nil)?.backendID == "5")
  }

  @Test("In slurmctld's memory where squeue does not show it")
  func controller() async throws {
    try slurm.program(
      "scontrol", "echo 'JobId=5 JobName=jarvice_a UserId=kirby(1) JobState=RUNNING Comment=weir:01TOKEN'")
    let found = try await locate("5")
    #expect(found?.state == .running && found?.source == "scontrol")
  }

  @Test("In accounting, whose word that it runs is a report, and whose word of its end an end")
  func accounting() async throws {
    try slurm.program("scontrol", "echo 'slurm_load_jobs error: Invalid job id specified'; exit 1")
    for (word, state) in [("RUNNING", JobState.running), ("COMPLETED", .succeeded), ("PENDING", .queued)] {
      try record("5|jarvice_a|\(word)|weir:01TOKEN")
      let found = try await locate("5")
      #expect(found?.state == state && found?.source == "sacct")
    }
    try record("5|jarvice_other|RUNNING|weir:01OTHER")
    #expect(try await locate("5") == nil)
  }

  @Test("A slurmctld that does not answer is no answer")
  func unavailable() async throws {
    try slurm.program("scontrol", "echo 'Unable to contact slurm controller'; exit 1")
    await #expect(throws: BackendError.self) { try await locate("5") }
  }

  @Test("Without its account's key the observing account finds it")
  func keyGone() async throws {
    try slurm.write("", to: "locked.kirby")
    try slurm.write("5|RUNNING|weir:01TOKEN|jarvice_a|kirby\n", to: "queue")
    #expect(try await locate(nil)?.backendID == "5")
  }

  @Test("That the observing account does not find it counts if it sees the jobs of that account")
  func keyGoneAndAbsent() async throws {
    try slurm.write("", to: "locked.kirby")
    try slurm.program("scontrol", "echo 'PrivateData             = jobs,usage'")
    await #expect(throws: BackendError.self) { try await locate(nil) }
    try slurm.write("6|RUNNING|weir:01OTHER|jarvice_b|kirby\n", to: "queue")
    #expect(try await locate(nil) == nil, "it sees another job of the account")
    try slurm.write("", to: "queue")
    try slurm.program("scontrol", "echo 'PrivateData             = none'")
    #expect(try await locate(nil) == nil, "everybody sees everything")
  }
}

@Suite("An observing account that does not see the jobs of others")
struct SightTests {
  @Test("Is named, and the jobs are shown by their own account")
  func blind() async throws {
    let slurm = try FakeSlurm()
    let connector = slurm.connector(observer: "jarvice")
    try slurm.write("5|RUNNING|weir:T5|jarvice_a|kirby\n6|RUNNING|weir:T6|jarvice_b|kirby\n", to: "queue")
    let jobs = [slurm.job("5", token: "T5"), slurm.job("6", "b", token: "T6"), slurm.job("7", "c", token: "T7")]
    #expect(try await connector.snapshot(of: Array(jobs.prefix(2))).reports.count == 2 && connector.warnings.isEmpty)
    try slurm.write("", to: "blind.jarvice")
    for _ in 0..<3 {
      let seen = try await connector.snapshot(of: jobs)
      #expect(seen.reports.map(\.backendID) == ["5", "6"] && seen.unasked.isEmpty)
      let trouble = try #require(connector.warnings.first)
      #expect(trouble.contains("jarvice does not see job 5 of kirby and 1 other job,"))
    }
    try FileManager.default.removeItem(at: slurm.home.appendingPathComponent("blind.jarvice"))
    #expect(try await connector.snapshot(of: jobs).reports.count == 2 && connector.warnings.isEmpty)
  }

  @Test("Accounts take turns, and the jobs of those that wait are not missing")
  func turns() async throws {
    let slurm = try FakeSlurm()
    let connector = slurm.connector(observer: "jarvice")
    try slurm.write("5|RUNNING|weir:T5|jarvice_a|kirby\n6|RUNNING|weir:T6|jarvice_b|mario\n", to: "queue")
    try slurm.write("", to: "blind.jarvice")
    var mario = slurm.job("6", "b", token: "T6")
    mario = Job(
      id: mario.id, key: JobKey(name: "b", number: 1), owner: "mario", account: "mario", connector: "slurm",
      submissionToken: "T6",
      fingerprint: "", lifecycle: .running, contact: Contact(seenAt: Date(), source: "squeue"),
      attempt: Attempt(backendID: "6"), submittedAt: Date())
    let jobs = [slurm.job("5", token: "T5"), mario]
    for _ in 0..<2 { _ = try await connector.snapshot(of: jobs) }
    var shown: [Set<String>] = []
    for _ in 0..<2 {
      let seen = try await connector.snapshot(of: jobs)
      #expect(Set(seen.reports.map(\.backendID)).union(seen.unasked) == ["5", "6"])
      shown.append(Set(seen.reports.map(\.backendID)))
    }
    #expect(shown[0] != shown[1])
  }

  @Test("A job that is seen nowhere stays missing, and its account is not asked with every look")
  func absent() async throws {
    let slurm = try FakeSlurm()
    try slurm.program("squeue", "echo \"$ACCOUNT\" >> \"$HOME/asked\"")
    let connector = slurm.connector(observer: "jarvice")
    for _ in 0..<3 {
      let seen = try await connector.snapshot(of: [slurm.job("5")])
      #expect(seen.reports.isEmpty && seen.unasked.isEmpty)
    }
    #expect(slurm.text("asked") == "jarvice\nkirby\njarvice\njarvice\n" && connector.warnings.isEmpty)
  }
}

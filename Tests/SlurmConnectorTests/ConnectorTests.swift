import ConnectorAPI
import Foundation
import Shell
import Testing

@testable import JobEngine
@testable import JobModel
@testable import SlurmConnector

@Suite("What bears a job's id is not therefore the job")
struct IdentityTests {
  @Test(
    "A job is canceled by its mark or its name, and not another with its id",
    arguments: [
      ("weir:01TOKEN", "jarvice_a", true), ("weir:01TOKEN:1:k:c:s", "foo", true), ("mine", "jarvice_a", true),
      ("", "jarvice_ab", false), ("weir:01OTHER", "jarvice_b", false),
    ])
  func cancel(comment: String, name: String, isHit: Bool) async throws {
    let slurm = try FakeSlurm()
    try slurm.write("5|RUNNING|\(comment)|\(name)|kirby\n", to: "queue")
    var isFound = true
    do throws(BackendError) { try await slurm.connector.cancel(slurm.job("5")) } catch {
      guard case .notFound = error else { throw error }
      isFound = false
    }
    #expect(isFound == isHit)
    #expect(slurm.text("canceled") == (isHit ? "5\n" : nil))
  }

  @Test("The record of another job is not shown as this one's")
  func describe() async throws {
    let slurm = try FakeSlurm()
    try slurm.program("scontrol", "echo \"JobId=5 JobName=jarvice_b\nComment=weir:01OTHER\"")
    try slurm.program("sacct", "echo past")
    #expect(try await slurm.connector.describe(slurm.job("5")) == "past")
    try slurm.program("scontrol", "echo \"JobId=5 JobName=foo\nComment=weir:01TOKEN\"")
    #expect(try await slurm.connector.describe(slurm.job("5")).contains("JobName=foo"))
  }

  @Test("A job is seen by its mark, whatever its user calls it")
  func renamed() async throws {
    let slurm = try FakeSlurm()
    try slurm.write("5|RUNNING|weir:01TOKEN|foo|kirby\n6|RUNNING||foo|kirby\n", to: "queue")
    let seen = try await slurm.connector.snapshot(of: [slurm.job("5")]).reports
    #expect(seen.map(\.backendID) == ["5"] && seen.allSatisfy { $0.shows(slurm.job("5")) })
  }

  @Test("Of two jobs with one id, each learns its own end")
  func idGivenOutAnew() async throws {
    let slurm = try FakeSlurm()
    try slurm.program(
      "sacct",
      """
      for word; do case $word in --delimiter=*) d=${word#*=};; --format=*) columns=${word#*=};; esac; done
      IFS=,
      for job in 'a FAILED 3:0 01OLD' 'b COMPLETED 0:0 01NEW'; do
        for column in $columns; do
          case $column in
            JobIDRaw) text=5;; JobName) text=jarvice_${job%% *};; User) text=kirby;; Comment) text=weir:${job##* };;
            State) text=${job#* } text=${text%% *};; ExitCode) text=${job% *} text=${text##* };; *) text=;;
          esac
          printf '%s%s' "$text" "$d"
        done
        echo
      done
      """)
    let jobs = [slurm.job("5", token: "01OLD"), slurm.job("5", "b", token: "01NEW")]
    for jobs in [jobs, jobs.reversed()] {
      let seen = try await slurm.connector.snapshot(of: jobs).reports
      #expect(Set(seen.map { "\($0.name ?? "") \($0.outcome?.exitCode ?? -1)" }) == ["a 3", "b 0"])
    }
  }

  @Test("What was submitted before the job is an earlier holder of its id")
  func earlier() throws {
    let job = try FakeSlurm().job("5")
    var report = JobReport(backendID: "5", name: "a", state: .running, source: "squeue", backendWord: "RUNNING")
    report.submittedAt = job.submittedAt - 60
    #expect(report.shows(job), "clocks differ")
    report.submittedAt = job.submittedAt - 86_400
    #expect(!report.shows(job))
  }
}

@Suite("A Slurm without accounting")
struct UnaccountedTests {
  let slurm: FakeSlurm

  init() throws {
    slurm = try FakeSlurm()
    try slurm.program("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    try slurm.program(
      "scontrol",
      """
      case $2 in
        config) echo 'MinJobAge               = 300 sec';;
        *) [ "$4" -lt 1000 ] || { echo 'slurm_load_jobs error: Invalid job id specified'; exit 1; }
          echo "JobId=$4 JobName=jarvice_a UserId=kirby(1) JobState=COMPLETED ExitCode=0:0 Comment=weir:T$4";;
      esac
      """)
  }

  @Test("A job that the queue lacks was never there only while slurmctld would remember it", arguments: [10.0, 400])
  func locate(age: TimeInterval) async throws {
    do throws(BackendError) {
      #expect(try await slurm.connector.find(slurm.job(nil, age: age), timeout: .seconds(5)) == nil)
      #expect(age < 300)
    } catch {
      guard case .unavailable = error else { throw error }
      #expect(age > 300)
    }
  }

  @Test("More jobs than can be asked about at once end some at a time, and the others are not missing")
  func many() async throws {
    let jobs = (1...120).map { slurm.job("\($0)", token: "T\($0)") }
    let observation = try await slurm.connector.snapshot(of: jobs)
    #expect(observation.accountingFailure == nil)
    #expect(observation.reports.count == 50 && observation.unasked.count == 70)
    let ended = Set(observation.reports.map(\.backendID))
    #expect(ended.isDisjoint(with: observation.unasked))
  }

  @Test("Those that slurmctld does not know, and those that are over, keep the others from nothing")
  func turns() async throws {
    var jobs = (1...5).map { slurm.job("\($0)", token: "T\($0)") }
    jobs += (1000...1100).map { slurm.job("\($0)", token: "T\($0)") }
    var over = slurm.job("900", token: "T900")
    over.lifecycle = .ended(.failed)
    jobs += Array(repeating: over, count: 60)
    var found: Set<String> = []
    for _ in 0..<40 where found.count < 5 {
      found.formUnion(try await slurm.connector.snapshot(of: jobs).reports.map(\.backendID).filter { $0 != "900" })
    }
    #expect(found == ["1", "2", "3", "4", "5"])
  }
}

@Suite("The output of a job")
struct OutputTests {
  let slurm: FakeSlurm

  init() throws { slurm = try FakeSlurm() }

  private func output(lines: Int = 100) async throws -> String {
    String(decoding: try await slurm.connector.output(slurm.job("5"), lines: lines), as: UTF8.self)
  }

  @Test("Its last lines are read; where nothing was written it is empty")
  func lines() async throws {
    try slurm.write("", to: ".jarvice/other.out")
    #expect(try await output() == "")
    try slurm.write("one\ntwo\nthree", to: ".jarvice/a.out")
    #expect(try await output() == "one\ntwo\nthree")
    #expect(try await output(lines: 2) == "two\nthree")
  }

  @Test("What cannot be read is an error, not empty")
  func unreadable() async throws {
    await #expect(throws: BackendError.self, "the directory is not there") { try await output() }
    // For root no permission is missing; a directory cannot be read by anybody.
    try slurm.write("", to: ".jarvice/a.out/inside")
    await #expect(throws: BackendError.self) { try await output() }
    try FileManager.default.removeItem(at: slurm.home.appendingPathComponent(".jarvice/a.out"))
    try FileManager.default.createSymbolicLink(
      atPath: slurm.home.appendingPathComponent(".jarvice/a.out").path, withDestinationPath: "nowhere")
    await #expect(throws: BackendError.self, "a link to a place that is away") { try await output() }
  }

  @Test("It is removed only from a directory that is there")
  func removal() async throws {
    await #expect(throws: BackendError.self) { try await slurm.connector.removeOutput(slurm.job("5")) }
    try slurm.write("text", to: ".jarvice/a.out")
    try await slurm.connector.removeOutput(slurm.job("5"))
    #expect(slurm.text(".jarvice/a.out") == nil)
    try await slurm.connector.removeOutput(slurm.job("5"))
  }
}

import ConnectorAPI
import Foundation
import JobModel

/// What must hold of every report, whatever a machine or a job wrote.
func claimBounded(_ report: JobReport) {
  claim((0...MachineNumber.largestCount).contains(report.elapsed), "elapsed is \(report.elapsed)")
  claim(report.nodes.count <= 65_536, "\(report.nodes.count) nodes")
  for time in [report.submittedAt, report.startedAt, report.endedAt].compactMap({ $0 }) {
    let seconds = time.timeIntervalSince1970
    claim(seconds >= 0 && seconds <= TimeInterval(MachineNumber.lastSecond), "a time of \(seconds) s")
  }
  claim(
    report.isEnd == (report.outcome != nil),
    "\(String(describing: report.state)) with the outcome \(String(describing: report.outcome))")
  claim(
    report.outcome?.exitCode.map { abs($0) <= MachineNumber.largestCount } ?? true, "the exit code is out of bounds")
  claim(report.outcome?.signal.map { abs($0) <= MachineNumber.largestCount } ?? true, "the signal is out of bounds")
}

/// The values of a job, by name; what a user may choose of them is the input.
private struct SlurmJob {
  var id: String
  var name: String
  var comment: String
  var fields: [String]

  static func healthy(_ number: Int) -> SlurmJob {
    SlurmJob(id: "\(number)", name: "jarvice_healthy\(number)", comment: "weir:HEALTHY\(number)", fields: [])
  }

  /// A job whose name, comment, reason and further fields are the parts of the input between NUL bytes.
  static func hostile(_ input: [UInt8]) -> SlurmJob {
    let parts = input.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    return SlurmJob(id: "2", name: parts[0], comment: parts.dropFirst().first ?? "", fields: Array(parts.dropFirst(2)))
  }

  func field(_ index: Int, _ value: String) -> String { index < fields.count ? fields[index] : value }
}

private func jobs(_ input: [UInt8]) -> [SlurmJob] { [SlurmJob.healthy(1), .hostile(input), .healthy(3)] }

/// Every healthy job is reported as what it is, whatever stands in the fields of the other.
private func claimHealthy(_ reports: [JobReport], _ state: JobState) {
  for number in [1, 3] {
    let report = reports.first { $0.backendID == "\(number)" && $0.mark?.token == "HEALTHY\(number)" }
    claim(report != nil, "job \(number) is not reported")
    claim(report?.state == state, "job \(number) is \(String(describing: report?.state))")
    claim(report?.nodes == ["node1"], "job \(number) is on \(report?.nodes ?? [])")
  }
}

/// squeue prints its `--format` with the fields of each job put in, and a line end.
func squeueProperty(_ input: [UInt8]) {
  guard let (table, command) = try? Squeue.command(),
    let format = command.arguments.first(where: { $0.hasPrefix("--format=") })?.dropFirst("--format=".count)
  else { return claim(false, "squeue has no --format") }
  let output = jobs(input).map { job in
    let values: [Character: String] = [
      "A": job.id, "i": job.id, "T": job.field(0, "RUNNING"), "r": job.field(1, "None"), "M": job.field(2, "1:00"),
      "V": job.field(3, "1700000000"), "S": job.field(4, "1700000001"), "e": job.field(5, "1700000900"),
      "N": job.field(6, "node1"), "u": job.field(7, "kirby"), "k": job.comment, "j": job.name,
    ]
    var row = ""
    var rest = format[...]
    while let character = rest.popFirst() {
      if character == "%", let letter = rest.popFirst() { row += values[letter] ?? "" } else { row.append(character) }
    }
    return row + "\n"
  }
  guard let reports = try? Squeue.reports(Array(output.joined().utf8), table) else {
    return claim(false, "the answer of squeue is refused")
  }
  reports.forEach(claimBounded)
  claimHealthy(reports, .running)
  // What no format made is no report of a job, and no trap.
  ((try? Squeue.reports(input, table)) ?? []).forEach(claimBounded)
}

/// sacct prints each field of `--format` with the delimiter behind it, and a line end behind the last.
func sacctProperty(_ input: [UInt8]) {
  let sacct = Sacct(submitLine: input.first.map { $0 & 1 == 0 } ?? true)
  let output = jobs(Array(input.dropFirst())).map { job in
    let values = [
      "JobID": job.id, "JobIDRaw": job.id, "JobName": job.name, "State": job.field(0, "COMPLETED"),
      "ExitCode": job.field(1, "0:0"), "ElapsedRaw": job.field(2, "60"), "Submit": job.field(3, "1700000000"),
      "Start": job.field(4, "1700000001"), "End": job.field(5, "1700000061"), "NodeList": job.field(6, "node1"),
      "User": job.field(7, "kirby"), "UID": job.field(8, "1000"), "Comment": job.comment,
      "SubmitLine": job.field(9, "sbatch --comment=" + job.comment),
    ]
    return sacct.columns.map { (values[$0] ?? "") + sacct.delimiter }.joined() + "\n"
  }
  guard let records = try? sacct.records(Array(output.joined().utf8)) else {
    return claim(false, "the answer of sacct is refused")
  }
  let reports = records.map(\.report)
  reports.forEach(claimBounded)
  claimHealthy(reports, .succeeded)
  ((try? sacct.records(input)) ?? []).map(\.report).forEach(claimBounded)
}

/// scontrol show job, one answer for each id, as ``Scontrol/command(_:)`` puts them together.
func scontrolProperty(_ input: [UInt8]) {
  let scontrol = Scontrol()
  let output = jobs(input).map { job in
    let text =
      "JobId=\(job.id) JobName=\(job.name) UserId=\(job.field(0, "kirby(1000)")) JobState=\(job.field(1, "COMPLETED")) "
      + "RunTime=\(job.field(2, "00:01:00")) SubmitTime=\(job.field(3, "1700000000")) StartTime=\(job.field(4, "1700000001")) "
      + "EndTime=\(job.field(5, "1700000061")) NodeList=\(job.field(6, "node1")) ExitCode=\(job.field(7, "0:0")) "
      + "Comment=\(job.comment)"
    return "\u{1f}\(scontrol.mark)\u{1f}\(job.id)\u{1f}0\u{1f}\(text)\u{1f}\(scontrol.mark)\u{1f}\n"
  }
  guard let records = try? scontrol.records(Array(output.joined().utf8)) else {
    return claim(false, "the answer of scontrol is refused")
  }
  let reports = records.map(\.report)
  reports.forEach(claimBounded)
  claimHealthy(reports, .succeeded)
  ((try? scontrol.records(input)) ?? []).map(\.report).forEach(claimBounded)
  _ = try? SlurmConfiguration(String(decoding: input, as: UTF8.self)).minJobAge
}

/// A list of nodes becomes bounded names, without a trap and in bounded time.
func nodesProperty(_ input: [UInt8]) {
  let names = HostList.expand(String(decoding: input, as: UTF8.self))
  claim(names.count <= 65_536, "\(names.count) names")
  claim(names.reduce(0) { $0 + $1.utf8.count } <= 64 << 20, "the names fill more than 64 MB")
}

/// find(1)'s entries of a directory.
func listingProperty(_ input: [UInt8]) {
  for entry in Listing.entries(of: "/data", input) {
    claim(entry.path.starts(with: "/data".utf8), "a path that does not begin as asked")
    claim(entry.size >= 0, "a size of \(entry.size)")
  }
}

import ConnectorAPI
import ConnectorSupport
import Foundation
import JobModel
import Shell

/// scontrol(1) show job: slurmctld's last word about a job, where there is no accounting. Each answer is between markers
/// that nobody can foresee.
struct Scontrol {
  var mark = MarkedText.newMark()

  /// Asks about each job by itself, since scontrol takes one id: id, exit status and answer of each.
  func command(_ ids: [String]) throws(BackendError) -> Command {
    try SlurmCommand.script(
      """
      export TZ=UTC SLURM_TIME_FORMAT=%s; mark=$1; shift; for id; do \
      text=$(scontrol --oneliner show job "$id" 2>&1); \
      printf '\\037%s\\037%s\\037%s\\037%s\\037%s\\037\\n' "$mark" "$id" "$?" "$text" "$mark"; done
      """, [mark] + ids)
  }

  /// The records in what that printed. A job that slurmctld no longer knows has none.
  /// - Throws: when slurmctld did not answer for one of them.
  func records(_ output: [UInt8]) throws(BackendError) -> [SlurmRecord] {
    var records: [SlurmRecord] = []
    let parts = MarkedText.parts(of: output, between: mark)
    // Every other part is between two answers.
    for part in stride(from: 1, to: parts.count - 1, by: 2).map({ MarkedText.string(parts[$0]) }) {
      let parts = part.split(separator: MarkedText.separator, maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, SlurmID.isID(parts[0]) else { continue }
      guard parts[1] == "0" else {
        if parts[2].contains("Invalid job id") { continue }
        throw .unavailable("scontrol: \(parts[2].prefix(200))")
      }
      // Of an array or a heterogeneous job it shows other tasks and components, too.
      let own = parts[2].firstRange(of: "\nJobId=\(parts[0]) ")?.upperBound ?? parts[2].startIndex
      let isFirst = parts[2].hasPrefix("JobId=\(parts[0]) ")
      guard let fields = Self.fields(isFirst ? parts[2] : parts[2][own...]) else { continue }
      records.append(Self.record(id: String(parts[0]), fields))
    }
    return records
  }

  /// `Key=value` pairs of one job; of a key that comes twice the first counts.
  ///
  /// A user chooses the job's name, which is before `UserId`, and the comment, which is after everything that
  /// decides. So pairs are read from `UserId` on. Nil when that comes twice: nothing says which of the two is Slurm's.
  private static func fields(_ text: Substring) -> [Substring: Substring]? {
    // Of a heterogeneous or array job the other parts follow.
    let own = text.firstRange(of: "\nJobId=").map { text[..<$0.lowerBound] } ?? text
    let users = own.ranges(of: " UserId=")
    guard users.count < 2 else { return nil }
    var fields: [Substring: Substring] = [:]
    if let user = users.first, let name = own[..<user.lowerBound].firstRange(of: " JobName=") {
      fields["JobName"] = own[name.upperBound..<user.lowerBound]
    }
    for word in own[(users.first?.lowerBound ?? own.startIndex)...].split(separator: " ") {
      guard let equals = word.firstIndex(of: "=") else { continue }
      let key = word[..<equals]
      if fields[key] == nil { fields[key] = word[word.index(after: equals)...] }
    }
    return fields
  }

  private static func record(id: String, _ fields: [Substring: Substring]) -> SlurmRecord {
    let (code, signal) = SlurmRecord.exit(fields["ExitCode"] ?? "")
    return SlurmRecord(
      id: id, name: String(fields["JobName"] ?? ""), word: String(fields["JobState"] ?? ""), exitCode: code,
      signal: signal, elapsed: SlurmTime.seconds(fields["RunTime"] ?? "") ?? 0,
      submittedAt: SlurmTime.past(fields["SubmitTime"] ?? ""), startedAt: SlurmTime.past(fields["StartTime"] ?? ""),
      endedAt: SlurmTime.past(fields["EndTime"] ?? ""), nodes: SlurmRecord.nodes(fields["NodeList"] ?? ""),
      account: String((fields["UserId"] ?? "").prefix { $0 != "(" }), mark: Comment.mark(in: fields["Comment"] ?? ""),
      source: "scontrol")
  }
}

/// What `scontrol show config` says of the cluster.
struct SlurmConfiguration {
  private var values: [Substring: Substring] = [:]

  init(_ text: String) {
    for line in text.split(separator: "\n") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      let key = line[..<equals].prefix { $0 != " " }
      if values[key] == nil { values[key] = line[line.index(after: equals)...].drop { $0 == " " } }
    }
  }

  /// For how long slurmctld remembers an ended job, in seconds.
  var minJobAge: TimeInterval {
    get throws(BackendError) {
      guard let word = values["MinJobAge"]?.prefix(while: { $0 != " " }), let seconds = MachineNumber.count(word) else {
        throw .unavailable("scontrol show config does not say MinJobAge")
      }
      return TimeInterval(seconds)
    }
  }

  /// Whether every account sees every job.
  var showsAllJobs: Bool {
    guard let value = values["PrivateData"] else { return false }
    return !value.split { ", ".contains($0) }.contains { $0 == "jobs" || $0 == "all" }
  }
}

import ConnectorSupport
import Foundation
import Jobs
import Shell

/// One record of a job that left the queue.
struct SlurmRecord: Equatable {
  var id: String
  var name: String
  var word: String
  var exitCode: Int?
  var signal: Int?
  var elapsed: Int
  var submittedAt: Date?
  var startedAt: Date?
  var endedAt: Date?
  var nodes: [String]
  var account: String
  var mark: Mark?
  var source: String

  var sighting: Sighting {
    let meaning = SlurmState.meaning(of: word)
    let reason =
      meaning.ending.map {
        SlurmReason.sentence(ending: $0, exitCode: exitCode, signal: signal, canceledBy: canceler)
      } ?? ""
    return Sighting(
      backendID: id, mark: mark, name: JobName.upstream(name), account: account.isEmpty ? nil : account,
      state: meaning.state, source: source,
      backendWord: word.split(separator: " ").first.map(String.init) ?? word, reason: reason, ending: meaning.ending,
      exitCode: exitCode, signal: signal, nodes: nodes, elapsed: elapsed, submittedAt: submittedAt,
      startedAt: startedAt, endedAt: endedAt)
  }

  /// Who canceled it, where the account is known.
  var canceler: String? = nil

  /// `code:signal`, as Slurm writes how a batch script ended.
  static func exit(_ text: some StringProtocol) -> (code: Int?, signal: Int?) {
    let parts = text.split(separator: ":").map { Int($0) }
    guard parts.count == 2, let code = parts[0], let signal = parts[1] else { return (nil, nil) }
    return (code, signal == 0 ? nil : signal)
  }

  static func nodes(_ list: some StringProtocol) -> [String] {
    list == "None assigned" || list == "(null)" ? [] : HostList.expand(String(list))
  }
}

/// sacct(1): what the accounting database says of jobs that left the queue.
enum Sacct {
  /// The last is known from 21.08 on.
  static let columns = [
    "JobIDRaw", "JobName", "State", "ExitCode", "ElapsedRaw", "Submit", "Start", "End", "NodeList", "User", "UID",
    "Comment", "SubmitLine",
  ]

  /// Asks for every record: a job that was requeued has one for each attempt, and an id that Slurm gave out anew has
  /// those of both jobs.
  static func command(_ filter: [String], submitLine: Bool) throws(BackendError) -> Command {
    let columns = submitLine ? columns : columns.dropLast()
    return try .checked(
      ["sacct", "--noheader", "--allocations", "--duplicates", "--parsable2"]
        + ["--delimiter=" + String(SlurmTable.separator), "--format=" + columns.joined(separator: ",")] + filter,
      environment: Squeue.environment)
  }

  /// The last record of each job in what sacct printed. An id that was given out anew is two jobs, by mark and name.
  static func records(_ output: [UInt8]) -> [SlurmRecord] {
    var last: [String: SlurmRecord] = [:]
    var order: [String] = []
    for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
      guard let record = record(line) else { continue }
      let key = "\(record.id) \(record.name) \(record.mark?.token ?? "")"
      if let other = last[key] {
        if let one = other.submittedAt, let two = record.submittedAt, one > two { continue }
      } else {
        order.append(key)
      }
      last[key] = record
    }
    return order.compactMap { last[$0] }
  }

  private static func record(_ line: Substring) -> SlurmRecord? {
    let row = line.split(separator: SlurmTable.separator, omittingEmptySubsequences: false)
    guard row.count == columns.count || row.count == columns.count - 1,
      row[0].utf8.allSatisfy({ (48...57).contains($0) })
    else { return nil }
    let (code, signal) = SlurmRecord.exit(row[3])
    let word = String(row[2])
    var record = SlurmRecord(
      id: String(row[0]), name: String(row[1]), word: word, exitCode: code, signal: signal, elapsed: Int(row[4]) ?? 0,
      submittedAt: SlurmTime.date(row[5]), startedAt: SlurmTime.date(row[6]), endedAt: SlurmTime.date(row[7]),
      nodes: SlurmRecord.nodes(row[8]), account: String(row[9]),
      mark: Comment.mark(in: row[11]) ?? (row.count > 12 ? Comment.mark(in: row[12]) : nil), source: "sacct")
    if word.contains(" by ") {
      let uid = word.split(separator: " ").last ?? ""
      record.canceler = uid == row[10] ? record.account : uid == "0" ? "root" : "the user with id \(uid)"
    }
    return record
  }

  /// What sacct says where Slurm keeps no accounting.
  static func isDisabled(_ words: String) -> Bool { words.contains("accounting storage is disabled") }
  /// What sacct of before 21.08 says.
  static func lacksSubmitLine(_ words: String) -> Bool { words.contains("Invalid field requested") }
}

/// scontrol(1) show job: slurmctld's last word about a job, where there is no accounting.
enum Scontrol {
  /// Asks about each job by itself, since scontrol takes one id: id, exit status and answer of each on a line.
  static func command(_ ids: [String]) throws(BackendError) -> Command {
    try .checkedScript(
      """
      export TZ=UTC LC_ALL=C SLURM_TIME_FORMAT=%s; for id; do text=$(scontrol --oneliner show job "$id" 2>&1); \
      printf '%s\\037%s\\037%s\\n' "$id" "$?" "$text"; done
      """, ids)
  }

  /// The records in what that printed. A job that slurmctld no longer knows has none.
  /// - Throws: when slurmctld did not answer for one of them.
  static func records(_ output: [UInt8]) throws(BackendError) -> [SlurmRecord] {
    var records: [SlurmRecord] = []
    for line in String(decoding: output, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: SlurmTable.separator, maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0].utf8.allSatisfy({ (48...57).contains($0) }) else { continue }
      guard parts[1] == "0" else {
        if parts[2].contains("Invalid job id") { continue }
        throw .unavailable("scontrol: \(parts[2].prefix(200))")
      }
      records.append(record(id: String(parts[0]), fields(parts[2])))
    }
    return records
  }

  /// MinJobAge in what `scontrol show config` printed, in seconds.
  static func minJobAge(_ config: String) throws(BackendError) -> TimeInterval {
    for line in config.split(separator: "\n") where line.hasPrefix("MinJobAge") {
      if let value = line.split(separator: "=").last, let word = value.split(separator: " ").first,
        let seconds = TimeInterval(word)
      {
        return seconds
      }
    }
    throw .unavailable("scontrol show config does not say MinJobAge")
  }

  /// `Key=value` pairs; of a key that comes twice the first counts, since what a user may choose comes later.
  private static func fields(_ text: Substring) -> [Substring: Substring] {
    text.split(separator: " ").reduce(into: [:]) { fields, word in
      guard let equals = word.firstIndex(of: "=") else { return }
      let key = word[..<equals]
      if fields[key] == nil { fields[key] = word[word.index(after: equals)...] }
    }
  }

  private static func record(id: String, _ fields: [Substring: Substring]) -> SlurmRecord {
    let (code, signal) = SlurmRecord.exit(fields["ExitCode"] ?? "")
    return SlurmRecord(
      id: id, name: String(fields["JobName"] ?? ""), word: String(fields["JobState"] ?? ""), exitCode: code,
      signal: signal, elapsed: SlurmTime.seconds(fields["RunTime"] ?? "") ?? 0,
      submittedAt: SlurmTime.date(fields["SubmitTime"] ?? ""), startedAt: SlurmTime.date(fields["StartTime"] ?? ""),
      endedAt: SlurmTime.date(fields["EndTime"] ?? ""), nodes: SlurmRecord.nodes(fields["NodeList"] ?? ""),
      account: String((fields["UserId"] ?? "").prefix { $0 != "(" }), mark: Comment.mark(in: fields["Comment"] ?? ""),
      source: "scontrol")
  }
}

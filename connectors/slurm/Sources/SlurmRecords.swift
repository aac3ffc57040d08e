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

/// sacct(1): what the accounting database says of jobs that left the queue. Each field ends with a mark that nobody can
/// foresee, so that whatever a job's name, comment or command line holds, it cannot pass for a record of another job.
struct Sacct {
  /// The last is known from 21.08 on.
  static let allColumns = [
    "JobIDRaw", "JobName", "State", "ExitCode", "ElapsedRaw", "Submit", "Start", "End", "NodeList", "User", "UID",
    "Comment", "SubmitLine",
  ]

  let columns: [String]
  let mark = SlurmTable.newMark()

  init(submitLine: Bool) { columns = submitLine ? Self.allColumns : Self.allColumns.dropLast() }

  /// What ends each field.
  var delimiter: String { "\(SlurmTable.separator)\(mark)\(SlurmTable.separator)" }

  /// Asks for every record: a job that was requeued has one for each attempt, and an id that Slurm gave out anew has
  /// those of both jobs.
  func command(_ filter: [String]) throws(BackendError) -> Command {
    try .checked(
      ["sacct", "--noheader", "--allocations", "--duplicates", "--parsable"]
        + ["--delimiter=" + delimiter, "--format=" + columns.joined(separator: ",")] + filter,
      environment: Squeue.environment)
  }

  /// The last record of each job in what sacct printed. An id that was given out anew is two jobs, by mark and name.
  /// - Throws: when that is not made of whole records.
  func records(_ output: [UInt8]) throws(BackendError) -> [SlurmRecord] {
    let fields = SlurmTable.parts(of: output, between: mark)
    // Behind the last mark there is but a line end, or what a login shell says.
    guard (fields.count - 1).isMultiple(of: columns.count) else { throw .unavailable("sacct: its answer is cut off") }
    var last: [String: SlurmRecord] = [:]
    var order: [String] = []
    for start in stride(from: 0, to: fields.count - 1, by: columns.count) {
      guard let record = Self.record(fields[start..<start + columns.count].map { $0[...] }) else { continue }
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

  private static func record(_ row: [Substring]) -> SlurmRecord? {
    // Before the id stands the line end of the record before it.
    guard let id = row[0].split(separator: "\n").last, id.utf8.allSatisfy({ (48...57).contains($0) }) else {
      return nil
    }
    let (code, signal) = SlurmRecord.exit(row[3])
    let word = String(row[2])
    var record = SlurmRecord(
      id: String(id), name: String(row[1]), word: word, exitCode: code, signal: signal, elapsed: Int(row[4]) ?? 0,
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

/// scontrol(1) show job: slurmctld's last word about a job, where there is no accounting. Each answer stands between marks
/// that nobody can foresee.
struct Scontrol {
  let mark = SlurmTable.newMark()

  /// Asks about each job by itself, since scontrol takes one id: id, exit status and answer of each.
  func command(_ ids: [String]) throws(BackendError) -> Command {
    try .checkedScript(
      """
      export TZ=UTC LC_ALL=C SLURM_TIME_FORMAT=%s; mark=$1; shift; for id; do \
      text=$(scontrol --oneliner show job "$id" 2>&1); \
      printf '\\037%s\\037%s\\037%s\\037%s\\037%s\\037\\n' "$mark" "$id" "$?" "$text" "$mark"; done
      """, [mark] + ids)
  }

  /// The records in what that printed. A job that slurmctld no longer knows has none.
  /// - Throws: when slurmctld did not answer for one of them.
  func records(_ output: [UInt8]) throws(BackendError) -> [SlurmRecord] {
    var records: [SlurmRecord] = []
    let parts = SlurmTable.parts(of: output, between: mark)
    // Every other part is between two answers.
    for part in stride(from: 1, to: parts.count - 1, by: 2).map({ parts[$0] }) {
      let parts = part.split(separator: SlurmTable.separator, maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0].utf8.allSatisfy({ (48...57).contains($0) }) else { continue }
      guard parts[1] == "0" else {
        if parts[2].contains("Invalid job id") { continue }
        throw .unavailable("scontrol: \(parts[2].prefix(200))")
      }
      records.append(Self.record(id: String(parts[0]), Self.fields(parts[2])))
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

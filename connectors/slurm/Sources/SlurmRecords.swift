import ConnectorAPI
import ConnectorSupport
import Foundation
import JobModel
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
  /// Whether the mark is in the line of the submit, which no user can change afterwards.
  var isMarkProven = false
  var source: String
  /// The line of its submit, which no user can change afterwards; nil where sacct does not know that column.
  var submitLine: String?

  /// Whether it shows no job of ours, as far as it is complete: the line of the submit would have the tag.
  var isUnproven: Bool { submitLine != nil && mark == nil && JobName.upstream(name) == nil }
  /// Whether it is certainly of no job of ours. A record that is still being written has no line.
  var isForeign: Bool { isUnproven && submitLine?.isEmpty == false }

  var report: JobReport {
    let meaning = SlurmState.meaning(of: word)
    let outcome = meaning.outcome?.with(exitCode: exitCode, signal: signal)
    let reason = outcome.map { SlurmReason.sentence($0, canceledBy: canceler) } ?? ""
    var report = JobReport(
      backendID: id, mark: mark, name: JobName.upstream(name), account: account.isEmpty ? nil : account,
      state: meaning.state, source: source,
      backendWord: word.split(separator: " ").first.map(String.init) ?? word, reason: reason, outcome: outcome,
      nodes: nodes, elapsed: elapsed, submittedAt: submittedAt,
      startedAt: startedAt, endedAt: endedAt)
    report.isMarkProven = isMarkProven
    return report
  }

  /// Who canceled it, where the account is known.
  var canceler: String? = nil

  /// `code:signal`, as Slurm writes how a batch script ended.
  static func exit(_ text: some StringProtocol) -> (code: Int?, signal: Int?) {
    let parts = text.split(separator: ":").map { MachineNumber.count($0) }
    guard parts.count == 2, let code = parts[0], let signal = parts[1] else { return (nil, nil) }
    return (code, signal == 0 ? nil : signal)
  }

  static func nodes(_ list: some StringProtocol) -> [String] {
    list == "None assigned" || list == "(null)" ? [] : HostList.expand(String(list))
  }
}

/// sacct(1): what the accounting database says of jobs that left the queue. Each field ends with a marker that nobody can
/// foresee, so that whatever a job's name, comment or command line holds, it cannot pass for a record of another job.
struct Sacct {
  /// The last is known from 21.08 on.
  static let allColumns = [
    "JobIDRaw", "JobName", "State", "ExitCode", "ElapsedRaw", "Submit", "Start", "End", "NodeList", "User", "UID",
    "Comment", "SubmitLine",
  ]

  let columns: [String]
  let mark: String

  init(submitLine: Bool, mark: String = MarkedText.newMark()) {
    self.mark = mark
    columns = submitLine ? Self.allColumns : Self.allColumns.dropLast()
  }

  /// What ends each field.
  var delimiter: String { MarkedText.delimiter(mark) }

  /// Asks for every record: a job that was requeued has one for each attempt, and an id that Slurm used again has
  /// those of both jobs.
  func command(_ filter: [String]) throws(BackendError) -> Command {
    try SlurmCommand.askingBehindLineEnd(
      ["sacct", "--noheader", "--allocations", "--duplicates", "--parsable"]
        + ["--delimiter=" + delimiter, "--format=" + columns.joined(separator: ",")] + filter)
  }

  /// The last record of each job in what sacct printed. An id that was used again is two jobs, by tag and name.
  /// - Throws: when that is not made of whole records.
  func records(_ output: [UInt8]) throws(BackendError) -> [SlurmRecord] {
    let fields = MarkedText.parts(of: output, between: mark)
    // After the last marker there is only a line end, or what a login shell prints.
    guard (fields.count - 1).isMultiple(of: columns.count) else {
      throw .unavailable("the output of sacct is incomplete")
    }
    var last: [String: SlurmRecord] = [:]
    var order: [String] = []
    for start in stride(from: 0, to: fields.count - 1, by: columns.count) {
      guard let record = Self.record(fields[start..<start + columns.count].map(MarkedText.string)) else { continue }
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

  private static func record(_ row: [String]) -> SlurmRecord? {
    // Before the id is the line end of the record before it.
    guard let id = row[0].split(separator: "\n").last, SlurmID.isID(id) else { return nil }
    let (code, signal) = SlurmRecord.exit(row[3])
    let word = row[2]
    let proven = row.count > 12 ? Comment.mark(in: row[12]) : nil
    var record = SlurmRecord(
      id: String(id), name: row[1], word: word, exitCode: code, signal: signal,
      elapsed: MachineNumber.count(row[4]) ?? 0, submittedAt: SlurmTime.past(row[5]),
      startedAt: SlurmTime.past(row[6]), endedAt: SlurmTime.past(row[7]), nodes: SlurmRecord.nodes(row[8]),
      account: row[9],
      // The user can change the comment, and not the line of the submit.
      mark: proven ?? Comment.mark(in: row[11]), isMarkProven: proven != nil, source: "sacct")
    record.submitLine = row.count > 12 ? row[12] : nil
    if word.contains(" by ") {
      let uid = word.split(separator: " ").last.map(String.init) ?? ""
      record.canceler = uid == row[10] ? record.account : uid == "0" ? "root" : "the user with id \(uid)"
    }
    return record
  }

  /// What sacct says where Slurm keeps no accounting.
  static func isDisabled(_ words: String) -> Bool { words.contains("accounting storage is disabled") }
  /// What sacct of before 21.08 says.
  static func lacksSubmitLine(_ words: String) -> Bool { words.contains("Invalid field requested") }
}

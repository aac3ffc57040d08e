import ConnectorAPI
import ConnectorSupport
import Foundation
import JobModel
import Shell

/// Text between markers that nobody can foresee, as Slurm's commands print it for us.
///
/// The user of a job chooses its name and its comment, and may put line ends, separators and any other byte into them: so
/// what belongs together is found by the markers, never by lines.
enum MarkedText {
  static let separator: Character = "\u{1f}"
  private static let separatorByte: UInt8 = 0x1f

  /// What nobody can foresee.
  static func newMark() -> String { String(UInt64.random(in: .min ... .max), radix: 36) }

  /// Separates two texts: the marker with a separator before and after it.
  static func delimiter(_ mark: String) -> String { "\(separator)\(mark)\(separator)" }

  /// The texts between the delimiters in an output, what is before the first and after the last included.
  static func parts(of output: [UInt8], between mark: String) -> [ArraySlice<UInt8>] {
    // By bytes: a poll of ten thousand jobs is two megabytes, which take 20 ms so, and 110 by characters.
    let delimiter = Array(delimiter(mark).utf8)
    var parts: [ArraySlice<UInt8>] = []
    var (start, position) = (0, 0)
    while let found = output[position...].firstIndex(of: separatorByte) {
      guard output[found...].starts(with: delimiter) else {
        position = found + 1
        continue
      }
      parts.append(output[start..<found])
      (start, position) = (found + delimiter.count, found + delimiter.count)
    }
    parts.append(output[start...])
    return parts
  }

  /// The columns of a text in which no user wrote.
  static func columns(_ text: ArraySlice<UInt8>) -> [String] {
    text.split(separator: separatorByte, omittingEmptySubsequences: false).map(string)
  }

  static func string(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// Which rows a call of squeue prints.
struct SqueueTable {
  var mark = MarkedText.newMark()

  /// The columns in which no user writes; the comment and the name follow, each between markers.
  private static let columns = ["%A", "%T", "%r", "%M", "%V", "%S", "%e", "%N", "%u"]
  private static let reason = 2

  var format: String {
    let delimiter = MarkedText.delimiter(mark)
    let columns = Self.columns.joined(separator: String(MarkedText.separator))
    return delimiter + columns + delimiter + "%k" + delimiter + "%j" + delimiter
  }

  /// The rows in what squeue printed, the columns in their order, comment and name last. What a login shell printed before
  /// them is passed over.
  /// - Throws: when that is not made of whole rows.
  func rows(_ output: [UInt8]) throws(BackendError) -> [[String]] {
    let parts = MarkedText.parts(of: output, between: mark)
    // Each row is columns, comment, name, and the text between it and the next.
    guard (parts.count - 1).isMultiple(of: 4) else { throw .unavailable("the output of squeue is incomplete") }
    var rows: [[String]] = []
    rows.reserveCapacity(parts.count / 4)
    for start in stride(from: 1, to: parts.count, by: 4) {
      var columns = MarkedText.columns(parts[start])
      guard columns.count >= Self.columns.count else {
        throw .unavailable("the output of squeue has an incomplete row")
      }
      // A reason is text, of a plugin for example.
      let more = columns.count - Self.columns.count
      if more > 0 {
        let reason = columns[Self.reason...Self.reason + more].joined(separator: " ")
        columns.replaceSubrange(Self.reason...Self.reason + more, with: [reason])
      }
      rows.append(columns + [MarkedText.string(parts[start + 1]), MarkedText.string(parts[start + 2])])
    }
    return rows
  }
}

/// squeue(1): every job that slurmctld remembers, those that ended within MinJobAge included.
enum Squeue {
  static func command(_ filter: [String] = []) throws(BackendError) -> (table: SqueueTable, command: Command) {
    let table = SqueueTable()
    let arguments = ["squeue", "--noheader", "--all", "--states=all", "--format=" + table.format] + filter
    return (table, try SlurmCommand.asking(arguments))
  }

  /// The jobs that have our names or tags, and those with certain ids, in what squeue printed: the user of one of ours
  /// may change both name and comment.
  static func reports(
    _ output: [UInt8], _ table: SqueueTable, ids: Set<String> = []
  ) throws(BackendError) -> [JobReport] {
    try table.rows(output).compactMap { row in
      let (name, mark) = (JobName.upstream(row[10]), Comment.mark(in: row[9]))
      guard name != nil || mark != nil || ids.contains(row[0]), SlurmID.isID(row[0]) else { return nil }
      let word = row[1]
      var meaning = SlurmState.meaning(of: word)
      if meaning.state == .queued, SlurmReason.isHeld(row[2]) { meaning = .init(.held) }
      let started = meaning.state == .queued || meaning.state == .held ? nil : SlurmTime.past(row[5])
      let reason =
        meaning.outcome.map { SlurmReason.sentence($0, canceledBy: nil) }
        ?? (meaning.state == nil ? "Slurm says \(word)" : SlurmReason.sentence(waiting: row[2]))
      var report = JobReport(
        backendID: row[0], mark: mark, name: name, account: row[8],
        state: meaning.state, source: "squeue", backendWord: word, reason: reason, outcome: meaning.outcome,
        nodes: HostList.expand(row[7]), elapsed: SlurmTime.seconds(row[3]) ?? 0,
        submittedAt: SlurmTime.past(row[4]), startedAt: started,
        endedAt: meaning.outcome != nil ? SlurmTime.past(row[6]) : nil)
      report.isCompleting = SlurmState.isCompleting(word)
      return report
    }
  }
}

/// A job's id: digits, also for a task of an array and a component of a heterogeneous job.
enum SlurmID {
  static func isID(_ text: some StringProtocol) -> Bool {
    !text.isEmpty && text.utf8.count <= 10 && text.utf8.allSatisfy { (48...57).contains($0) }
  }
}

/// The name of a job in Slurm: `jarvice_` and the upstream's.
enum JobName {
  static func slurm(_ name: String) -> String { "jarvice_" + name }

  static func upstream(_ name: some StringProtocol) -> String? {
    name.utf8.starts(with: "jarvice_".utf8) ? String(Substring(name).utf8.dropFirst("jarvice_".utf8.count)) : nil
  }
}

/// The job's comment in Slurm, which holds its tag: `weir:` and the tag's text.
///
/// squeue and scontrol show the comment; sacct shows it only where the site stores it, but shows the line of the submit,
/// which holds it too. No other field that a submit can set is shown by all three.
enum Comment {
  static func text(_ mark: Mark) -> String { "weir:\(mark)" }

  static func mark(in text: some StringProtocol) -> Mark? {
    let bytes = Substring(text).utf8
    let label = "weir:".utf8
    let start = bytes.indices.first { bytes[$0] == label.first && bytes[$0...].starts(with: label) }
    return start.flatMap { Mark(Substring(bytes[$0...].dropFirst(label.count))) }
  }
}

import ConnectorSupport
import Foundation
import Jobs
import Shell

/// Rows of columns as squeue and sacct print them for us: columns parted by a byte that cannot occur in them, each row
/// between a mark that nobody can foresee, so that no job's name or comment can pass for a row of its own.
struct SlurmTable {
  static let separator: Character = "\u{1f}"
  private static let separatorByte: UInt8 = 0x1f
  let mark: String
  let columns: [String]

  init(columns: [String]) {
    self.columns = columns
    mark = Self.newMark()
  }

  /// What nobody can foresee.
  static func newMark() -> String { String(UInt64.random(in: .min ... .max), radix: 36) }

  /// What stands between the marks in an output, each with a separator before and after it. A user may put separators and
  /// line ends into the fields of a job, but no mark.
  static func parts(of output: [UInt8], between mark: String) -> [String] {
    let mark = Array(mark.utf8)[...]
    return output.split(separator: separatorByte, omittingEmptySubsequences: false)
      .split(omittingEmptySubsequences: false) { $0 == mark }
      .map { String(decoding: Array($0.joined(separator: [separatorByte])), as: UTF8.self) }
  }

  /// The rows in what a command printed; anything else there (a login shell's greeting) is passed over.
  func rows(_ output: [UInt8]) -> [[Substring]] {
    // By bytes: a look at ten thousand jobs is two megabytes, which take 20 ms so, and 110 by characters.
    let mark = Array(mark.utf8)[...]
    return output.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let fields = line.split(separator: Self.separatorByte, omittingEmptySubsequences: false)
      guard fields.count == columns.count + 2, fields.first == mark, fields.last == mark else { return nil }
      return fields[1...columns.count].map { Substring(decoding: $0, as: UTF8.self) }
    }
  }
}

/// squeue(1): every job that slurmctld remembers, those that ended within MinJobAge included.
enum Squeue {
  static func command(_ filter: [String] = []) throws(BackendError) -> (table: SlurmTable, command: Command) {
    let table = SlurmTable(columns: ["%A", "%T", "%r", "%M", "%V", "%S", "%e", "%N", "%u", "%k", "%j"])
    let format = ([table.mark] + table.columns + [table.mark]).joined(separator: String(SlurmTable.separator))
    let arguments = ["squeue", "--noheader", "--all", "--states=all", "--format=" + format] + filter
    return (table, try .checked(arguments, environment: environment))
  }

  /// Times as seconds since 1970, whatever the cluster's zone and the account's own settings.
  static let environment = [("TZ", "UTC"), ("LC_ALL", "C"), ("SLURM_TIME_FORMAT", "%s")]

  /// The jobs that bear our names or marks in what squeue printed: the user of one of ours may change either.
  static func sightings(_ output: [UInt8], _ table: SlurmTable) -> [Sighting] {
    table.rows(output).compactMap { row in
      let (name, mark) = (JobName.upstream(row[10]), Comment.mark(in: row[9]))
      guard name != nil || mark != nil else { return nil }
      let word = String(row[1])
      var meaning = SlurmState.meaning(of: word)
      if meaning.state == .queued, SlurmReason.isHeld(String(row[2])) { meaning = .init(.held) }
      let started = meaning.state == .queued || meaning.state == .held ? nil : SlurmTime.date(row[5])
      let reason =
        meaning.ending.map { SlurmReason.sentence(ending: $0, exitCode: nil, signal: nil, canceledBy: nil) }
        ?? (meaning.state == .unknown ? "Slurm says \(word)" : SlurmReason.sentence(waiting: String(row[2])))
      var sighting = Sighting(
        backendID: String(row[0]), mark: mark, name: name, account: String(row[8]),
        state: meaning.state, source: "squeue", backendWord: word, reason: reason, ending: meaning.ending,
        nodes: HostList.expand(String(row[7])), elapsed: SlurmTime.seconds(row[3]) ?? 0,
        submittedAt: SlurmTime.date(row[4]), startedAt: started,
        endedAt: meaning.state.isTerminal ? SlurmTime.date(row[6]) : nil)
      sighting.isCompleting = SlurmState.isCompleting(word)
      return sighting
    }
  }
}

/// The name of a job in Slurm: `jarvice_` and the upstream's.
enum JobName {
  static func slurm(_ name: String) -> String { "jarvice_" + name }

  static func upstream(_ name: some StringProtocol) -> String? {
    name.utf8.starts(with: "jarvice_".utf8) ? String(Substring(name).utf8.dropFirst("jarvice_".utf8.count)) : nil
  }
}

/// The job's comment in Slurm, which holds its mark: `weir:` and the mark's text.
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

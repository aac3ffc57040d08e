import Foundation
import Jobs
import Shell

/// Rows of columns as squeue and sacct print them for us: columns parted by a byte that cannot occur in them, each row
/// between a mark that nobody can foresee, so that no job's name or comment can pass for a row of its own.
struct SlurmTable {
  static let separator: Character = "\u{1f}"
  let mark: String
  let columns: [String]

  init(columns: [String]) {
    self.columns = columns
    mark = String(UInt64.random(in: .min ... .max), radix: 36)
  }

  /// The rows in what a command printed; anything else there (a login shell's greeting) is passed over.
  func rows(_ output: [UInt8]) -> [[Substring]] {
    String(decoding: output, as: UTF8.self).split(separator: "\n").compactMap { line in
      let fields = line.split(separator: Self.separator, omittingEmptySubsequences: false)
      guard fields.count == columns.count + 2, fields.first == mark[...], fields.last == mark[...] else { return nil }
      return Array(fields[1...columns.count])
    }
  }
}

/// squeue(1): every job that slurmctld remembers, those that ended within MinJobAge included.
enum Squeue {
  static func command(_ filter: [String] = []) throws(BackendError) -> (table: SlurmTable, command: Command) {
    let table = SlurmTable(columns: ["%A", "%T", "%r", "%M", "%V", "%S", "%e", "%N", "%u", "%k"])
    let format = ([table.mark] + table.columns + [table.mark]).joined(separator: String(SlurmTable.separator))
    let arguments = ["squeue", "--noheader", "--all", "--states=all", "--format=" + format] + filter
    return (table, try .checked(arguments, environment: environment))
  }

  /// Times as seconds since 1970, whatever the cluster's zone and the account's own settings.
  static let environment = [("TZ", "UTC"), ("LC_ALL", "C"), ("SLURM_TIME_FORMAT", "%s")]

  /// The jobs with our mark in what squeue printed.
  static func sightings(_ output: [UInt8], _ table: SlurmTable) -> [Sighting] {
    table.rows(output).compactMap { row in
      guard let token = Mark.token(in: row[9]) else { return nil }
      let word = String(row[1])
      let reason = row[2] == "None" ? "" : String(row[2])
      var meaning = SlurmState.meaning(of: word)
      if meaning.state == .queued, SlurmState.isHeld(reason) { meaning = .init(.held) }
      let started = meaning.state == .queued || meaning.state == .held ? nil : SlurmTime.date(row[5])
      return Sighting(
        backendID: String(row[0]), token: token, account: String(row[8]), state: meaning.state, source: "squeue",
        backendWord: word, reason: reason, ending: meaning.ending, nodes: HostList.expand(String(row[7])),
        elapsed: SlurmTime.seconds(row[3]) ?? 0, submittedAt: SlurmTime.date(row[4]), startedAt: started,
        endedAt: meaning.state.isTerminal ? SlurmTime.date(row[6]) : nil)
    }
  }
}

/// sacct(1): what the accounting database says of jobs that left the queue.
enum Sacct {
  static let columns = [
    "JobIDRaw", "State", "ExitCode", "ElapsedRaw", "Submit", "Start", "End", "NodeList", "User", "SubmitLine",
  ]

  static func command(_ filter: [String]) throws(BackendError) -> Command {
    try .checked(
      ["sacct", "--noheader", "--allocations", "--parsable2", "--delimiter=" + String(SlurmTable.separator)]
        + ["--format=" + columns.joined(separator: ",")] + filter, environment: Squeue.environment)
  }

  /// The ended jobs in what sacct printed. Jobs that it shows as alive are left out: the queue knows better.
  static func sightings(_ output: [UInt8]) -> [Sighting] {
    String(decoding: output, as: UTF8.self).split(separator: "\n").compactMap { line in
      let row = line.split(separator: SlurmTable.separator, omittingEmptySubsequences: false)
      guard row.count == columns.count, row[0].utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
      let word = String(row[1])
      let meaning = SlurmState.meaning(of: word)
      let code = row[2].split(separator: ":").compactMap { Int($0) }
      return Sighting(
        backendID: String(row[0]), token: Mark.token(in: row[9]), account: String(row[8]), state: meaning.state,
        source: "sacct", backendWord: word, reason: meaning.ending == .canceled ? word.lowercased() : "",
        ending: meaning.ending, exitCode: code.first, signal: code.count == 2 && code[1] != 0 ? code[1] : nil,
        nodes: row[7] == "None assigned" ? [] : HostList.expand(String(row[7])), elapsed: Int(row[3]) ?? 0,
        submittedAt: SlurmTime.date(row[4]), startedAt: SlurmTime.date(row[5]), endedAt: SlurmTime.date(row[6]))
    }
  }
}

/// The mark by which a job in Slurm is known as ours: `weir:` and its submission token, in the job's comment.
///
/// squeue shows the comment; sacct shows it only where the site stores it, but shows the line of the submit, which holds
/// it too.
enum Mark {
  static func comment(_ token: String) -> String { "weir:" + token }

  static func token(in text: some StringProtocol) -> String? {
    guard let range = text.range(of: "weir:") else { return nil }
    let token = text[range.upperBound...].prefix { $0.isASCII && ($0.isLetter || $0.isNumber) }
    return token.isEmpty ? nil : String(token)
  }
}

extension Command {
  /// A command whose words hold nothing that no command line can carry.
  static func checked(_ arguments: [String], environment: [(String, String)] = []) throws(BackendError) -> Command {
    do { return try Command(arguments, environment: environment) } catch { throw .refused("\(error)") }
  }

  /// A script of the shell's with its arguments, likewise.
  static func checkedScript(_ script: StaticString, _ arguments: [String]) throws(BackendError) -> Command {
    do { return try .script(script, arguments) } catch { throw .refused("\(error)") }
  }
}

import Foundation
import JobModel
import Shell
import Testing

@testable import JobEngine
@testable import SlurmConnector

/// Commands run by the real shell in a home directory of the test's own, where programs of the test's take the place of
/// Slurm's: for what a real one does not do on demand.
///
/// A line `id|state|comment|name|account|time of submit` in `queue` is a job in the queue. A file `locked.ACCOUNT` keeps an account from
/// logging in, a file `blind.ACCOUNT` from seeing the jobs of others.
final class FakeSlurm: Runner {
  let home: URL
  let statusLines: [String] = []
  /// Where a site has Slurm's programs: outside the home directory.
  let programs: URL
  /// Variables of the account's login files; `@HOME@` and `@SITE@` in a value are the two directories.
  let environment: [String: String]

  init(environment: [String: String] = [:]) throws {
    let name = "weir-test-\(UUID().uuidString)"
    home = FileManager.default.temporaryDirectory.appendingPathComponent(name)
    programs = FileManager.default.temporaryDirectory.appendingPathComponent(name + "-site")
    let (home, site) = (home.path, programs.path)
    self.environment = environment.mapValues {
      $0.replacingOccurrences(of: "@HOME@", with: home).replacingOccurrences(of: "@SITE@", with: site)
    }
    try FileManager.default.createDirectory(at: programs, withIntermediateDirectories: true)
    try write("", to: "queue")
    try program("sbatch", Self.accepts)
    try program(
      "squeue",
      """
      states=all jobs=
      for word; do
        case $word in
          --format=*) format=${word#--format=};; --states=*) states=${word#*=};; --jobs=*) jobs=${word#*=};;
        esac
      done
      while IFS='|' read -r id state comment name account submit start; do
        case $states in all | *$state*) ;; *) continue;; esac
        [ -z "$jobs" ] || [ "$id" = "$jobs" ] || continue
        [ ! -e "$HOME/blind.$ACCOUNT" ] || [ "$account" = "$ACCOUNT" ] || continue
        printf '%s\\n' "$format" | sed "s~%A~$id~;s~%T~$state~;s~%k~$comment~;s~%j~$name~;s~%u~$account~;s~%V~$submit~;s~%S~${start:-N/A}~"
      done < "$HOME/queue"
      """)
    try program("sacct", "exit 0")
    try program("id", "echo 1000")
    try program("scontrol", "exit 1")
    try program("scancel", "echo \"$@\" >> \"$HOME/canceled\"; sed -i \"s/^$1|RUNNING/$1|CANCELLED/\" \"$HOME/queue\"")
  }

  deinit { for directory in [home, programs] { try? FileManager.default.removeItem(at: directory) } }

  /// A program that takes any job.
  static let accepts = """
    for word; do case $word in --comment=*) mark=${word#*=};; --job-name=*) name=${word#*=};; esac; done
    echo "7|PENDING|$mark|$name|kirby" >> "$HOME/queue"
    echo 7

    """

  func program(_ name: String, _ text: String) throws {
    let file = programs.appendingPathComponent(name)
    try Data("#!/bin/sh\n\(text)\n".utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
  }

  func write(_ text: String, to path: String) throws {
    let file = home.appendingPathComponent(path)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }

  func text(_ path: String) -> String? { try? String(contentsOf: home.appendingPathComponent(path), encoding: .utf8) }

  func run(
    _ command: Command, as account: String, stdin: [UInt8], limits: OutputLimits, timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult {
    if text("locked." + account) != nil { throw .noKey(account: account) }
    let (output, errors) = (home.appendingPathComponent("stdout").path, home.appendingPathComponent("stderr").path)
    for file in [output, errors] { _ = FileManager.default.createFile(atPath: file, contents: nil) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command.text]
    process.environment = environment.merging(["HOME": home.path, "ACCOUNT": account]) { $1 }.merging(
      ["PATH": programs.path + ":/usr/bin:/bin"]
    ) { old, _ in old }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: errors)
    do { try process.run() } catch { throw .unavailable("\(error)") }
    process.waitUntilExit()
    return CommandResult(
      exitStatus: process.terminationStatus, stdout: Array((text("stdout") ?? "").utf8),
      stderr: Array((text("stderr") ?? "").utf8))
  }

  var connector: SlurmConnector { connector(observer: "kirby") }
  func connector(observer: String) -> SlurmConnector {
    SlurmConnector(runner: self, configuration: .init(observer: observer))
  }

  let submission = JobSpec(
    name: "a", number: 1, owner: "kirby@example.com", account: "kirby", nodes: 1, coresPerNode: 1, request: "",
    script: "true\n", shownScript: "true\n")

  func job(_ id: String?, _ name: String = "a", token: String = "01TOKEN", age: TimeInterval = 0) -> Job {
    Job(
      id: JobID(rawValue: "01JOB" + (id ?? "")), key: JobKey(name: name, number: 1), owner: "kirby@example.com",
      account: "kirby",
      connector: "slurm", submissionToken: token, fingerprint: "", lifecycle: .running,
      contact: Contact(seenAt: Date(), source: "squeue"),
      attempt: Attempt(backendID: id, outputPath: ".jarvice/\(name).out"), submittedAt: Date() - age)
  }

  // What the Slurm connector does not use.
  func stream(
    _ command: Command, as account: String, input: CommandInput, timeout: Duration?, purpose: CommandPurpose,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandResult { throw RunError.unavailable("not here") }
  func upload(
    from chunks: @escaping @Sendable () async throws -> [UInt8]?, to path: String, mode: Int32, as account: String,
    timeout: Duration?
  ) async throws { throw RunError.unavailable("not here") }
  func download(
    _ path: String, as account: String, timeout: Duration?,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws { throw RunError.unavailable("not here") }
}

/// A row as squeue prints it for ``SqueueTable/format``.
enum SqueueRow {
  /// - Parameter columns: comment and name last.
  static func text(_ columns: [String], mark: String) -> String {
    let delimiter = MarkedText.delimiter(mark)
    let plain = columns.dropLast(2).joined(separator: "\u{1f}")
    return delimiter + ([plain] + columns.suffix(2)).map { $0 + delimiter }.joined() + "\n"
  }
}

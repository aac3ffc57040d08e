import ConnectorSupport
import Foundation
import Jobs
import Shell
import Synchronization

/// Jobs on a Slurm cluster, by its own commands on a login node.
///
/// Jobs are submitted, cancelled, released and read as the mapped user; the queue is observed as one account that may
/// see the jobs of others.
public struct SlurmConnector: Connector {
  public struct Configuration: Sendable {
    /// The account that observes the queue.
    public var observer: String
    /// The directory below which each job's output goes; empty for the mapped user's home directory.
    public var scratchDirectory = ""
    /// How long sbatch may take; the upstream gives a call 20 s.
    public var submitTimeout: Duration = .seconds(14)
    public var commandTimeout: Duration = .seconds(15)
    /// Seconds after which an sbatch that nobody waits for any more is ended.
    public var sbatchLimit = 32
    /// For how long a connection may hold a command back that was given up here.
    public var heldBack: Duration = .zero
    /// For how long an account that was found to be none of the system's is not looked at again.
    public var vettedFor: Duration = .seconds(600)
    /// The most bytes of output that are read.
    public var outputLimit = 16 << 20

    public init(observer: String) { self.observer = observer }

    /// Seconds until the last moment at which an sbatch may begin: just before its call is given up, or as much later as
    /// the connection delivers it. Three are for writing the job down, one for killing what does not end.
    private var lastBeginning: Int { 3 + Int((submitTimeout + heldBack).components.seconds) + 1 }

    /// See ``Connector/lastSubmit``.
    var lastSubmit: Int { lastBeginning + sbatchLimit }

    /// Gives sbatch what time there is until a submit is given up, and never so little that a busy slurmctld has none.
    public mutating func fit(submitDeadline: Int) {
      sbatchLimit = max(16, min(45, submitDeadline - lastBeginning))
    }
  }

  public let name = "slurm"
  private let runner: any Runner
  private let configuration: Configuration
  private let dialect = Dialect()

  public init(runner: any Runner, configuration: Configuration) {
    self.runner = runner
    self.configuration = configuration
  }

  public var troubles: [String] { runner.statusLines }
  public var lastSubmit: TimeInterval { TimeInterval(configuration.lastSubmit) }

  // MARK: Submitting

  public func preview(_ submission: Submission) throws(BackendError) -> String {
    try sbatch(submission).validate()
    return try Sbatch.script(around: submission.shownScript)
  }

  public func outputPath(of submission: Submission, token: String) -> String? { sbatch(submission).outputPath }

  public func submit(_ submission: Submission, mark: Mark) async throws(BackendError) -> String {
    let sbatch = sbatch(submission)
    try sbatch.validate()
    let script = try Sbatch.script(around: submission.script)
    let (began, submitted) = (ContinuousClock.now, Date())
    let result = try await run(
      sbatch.command(
        mark, limit: configuration.sbatchLimit,
        isVetted: dialect.isVetted(submission.account, for: configuration.vettedFor)),
      as: submission.account, stdin: Array(script.utf8), timeout: configuration.submitTimeout)
    guard result.succeeded else {
      let failure = Sbatch.failure(result)
      if case .interrupted = failure { throw failure }
      if Sbatch.didNothing(result) { throw failure }
      // A plugin or a wrapper may fail after slurmctld took the job.
      let found: Sighting?
      do throws(BackendError) {
        found = try await find(
          mark.token, submission.name, as: submission.account, since: submitted,
          timeout: configuration.submitTimeout - (.now - began))
      } catch {
        throw .interrupted("\(failure); whether it was taken was not told: \(error)")
      }
      guard let found, !found.isRefusal else { throw failure }
      return found.backendID
    }
    guard let id = Sbatch.jobID(in: result.stdout) else {
      let words = String(decoding: result.stdout.prefix(200), as: UTF8.self)
      throw .interrupted("sbatch answered something else than a job id: \(words)")
    }
    dialect.vetted(submission.account)
    return id
  }

  private func sbatch(_ submission: Submission) -> Sbatch {
    Sbatch(submission: submission, scratchDirectory: configuration.scratchDirectory)
  }

  // MARK: Observing

  public func observe(_ jobs: [Job]) async throws(BackendError) -> Observation {
    let time = Date()
    let (table, command) = try Squeue.command()
    let result = try await run(command, as: configuration.observer, stdoutLimit: 256 << 20, purpose: .observation)
    guard result.succeeded else { throw asked(SlurmWords.failure(of: "squeue", result.message)) }
    Checkpoint.reach("observe.queue-read")
    guard !result.stdoutTruncated else { throw .unavailable("squeue printed more than can be read") }
    var observation = Observation(time: time, sightings: Squeue.sightings(result.stdout, table))
    let shown = Set(observation.sightings.compactMap { $0.mark?.token })
    let unmarked = Dictionary(
      observation.sightings.filter { $0.mark == nil }.map { ($0.backendID, $0) }, uniquingKeysWith: { $1 })
    let gone = jobs.filter { job in
      job.state.isTerminal
        || !shown.contains(job.submissionToken) && !(job.backendID.flatMap { unmarked[$0] }?.shows(job) ?? false)
    }
    if !gone.isEmpty {
      do throws(BackendError) {
        let (found, unasked) = try await lastWords(of: gone)
        observation.unasked = unasked
        for sighting in found {
          if sighting.state.isTerminal { observation.sightings.append(sighting) }
          observation.answers[sighting.backendID] = "\(sighting.source) says \(sighting.backendWord)"
        }
      } catch {
        observation.accountingFailure = error.description
      }
    }
    return observation
  }

  /// What accounting says of jobs that left the queue: one call, unless they are more than a command line can carry.
  /// Where there is no accounting, slurmctld's last word, and the ids of those that it was not asked about this time.
  private func lastWords(of jobs: [Job]) async throws(BackendError) -> (found: [Sighting], unasked: Set<String>) {
    var found: [Sighting] = []
    var unasked: Set<String> = []
    for start in stride(from: 0, to: jobs.count, by: 5000) {
      let some = jobs[start..<min(start + 5000, jobs.count)]
      let ids = some.compactMap(\.backendID)
      // More than one of an id where Slurm was reset.
      let wanted = Dictionary(grouping: some) { $0.backendID ?? "" }
      let filter = ["--jobs=" + ids.joined(separator: ",")]
      let all: [SlurmRecord]
      if let records = try await accounting(filter, as: configuration.observer) {
        all = records
      } else {
        // Each is a request of its own. Any of them may be one that slurmctld does not know, so that chance decides;
        // what is missing of an end that is known can wait.
        let turn = some.shuffled().sorted { !$0.state.isTerminal && $1.state.isTerminal }.compactMap(\.backendID)
        all = try await controllers(Array(turn.prefix(50)))
        unasked.formUnion(turn.dropFirst(50))
      }
      found += all.map(\.sighting).filter { sighting in
        wanted[sighting.backendID]?.contains(where: sighting.shows) ?? false
      }
    }
    return (found, unasked)
  }

  /// The records that sacct has; nil where Slurm keeps no accounting.
  private func accounting(
    _ filter: [String], as account: String, timeout: Duration? = nil
  ) async throws(BackendError) -> [SlurmRecord]? {
    let submitLine = dialect.hasSubmitLine
    let sacct = Sacct(submitLine: submitLine)
    let result = try await run(
      sacct.command(filter), as: account, stdoutLimit: 64 << 20, timeout: timeout,
      purpose: account == configuration.observer ? .observation : .action)
    if result.succeeded {
      guard !result.stdoutTruncated else { throw .unavailable("sacct printed more than can be read") }
      return try sacct.records(result.stdout)
    }
    if Sacct.isDisabled(result.message) { return nil }
    if submitLine, Sacct.lacksSubmitLine(result.message) {
      dialect.hasSubmitLine = false
      return try await accounting(filter, as: account, timeout: timeout)
    }
    throw asked(SlurmWords.failure(of: "sacct", result.message))
  }

  /// What slurmctld still knows of jobs.
  private func controllers(_ ids: [String]) async throws(BackendError) -> [SlurmRecord] {
    let scontrol = Scontrol()
    let result = try await run(scontrol.command(ids), as: configuration.observer, purpose: .observation)
    guard result.succeeded else { throw asked(SlurmWords.failure(of: "scontrol", result.message)) }
    return try scontrol.records(result.stdout)
  }

  /// The jobs of that name in the queue.
  private func inQueue(
    _ name: String, as account: String, timeout: Duration
  ) async throws(BackendError) -> [Sighting] {
    let (table, command) = try Squeue.command(["--user=" + account, "--name=" + JobName.slurm(name)])
    let result = try await run(command, as: account, timeout: timeout)
    guard result.succeeded else { throw asked(SlurmWords.failure(of: "squeue", result.message)) }
    return Squeue.sightings(result.stdout, table).filter { $0.account == account }
  }

  public func locate(_ job: Job, timeout: Duration) async throws(BackendError) -> Sighting? {
    try await find(job.submissionToken, job.name, as: job.account, since: job.submittedAt, timeout: timeout)
  }

  /// The job of an account that bears a token, in the queue or in the records. Nil means that it was never there.
  private func find(
    _ token: String, _ name: String, as account: String, since submitted: Date, timeout: Duration
  ) async throws(BackendError) -> Sighting? {
    let (deadline, asked) = (ContinuousClock.now + timeout, Date())
    let queue = try await inQueue(name, as: account, timeout: timeout)
    if let found = queue.first(where: { $0.mark?.token == token }) { return found }
    // The token says which it is; a day, since the cluster's clock may be another.
    let since = Int(submitted.timeIntervalSince1970) - 86_400
    let filter = ["--name=" + JobName.slurm(name), "--user=" + account, "--starttime=" + SlurmClock.utc(since)]
    if let past = try await accounting(filter, as: account, timeout: deadline - .now) {
      return past.map(\.sighting).first { $0.mark?.token == token && ($0.account ?? account) == account }
    }
    // Without accounting a job that is over is known for as long as slurmctld remembers it.
    let remembered = try await memory(as: account, timeout: deadline - .now)
    guard asked.timeIntervalSince(submitted) < remembered - 5 else {
      throw .unavailable("this Slurm keeps no accounting, and no longer remembers what ended since the submit")
    }
    return nil
  }

  /// For how long slurmctld remembers a job that is over, in seconds.
  private func memory(as account: String, timeout: Duration) async throws(BackendError) -> TimeInterval {
    let result = try await run(
      .checked(["scontrol", "show", "config"], environment: [("LC_ALL", "C")]), as: account, timeout: timeout)
    guard result.succeeded else { throw asked(SlurmWords.failure(of: "scontrol", result.message)) }
    return try Scontrol.minJobAge(result.text)
  }

  public func recall(since: Date) async throws(BackendError) -> [Sighting] {
    let seconds = Int(since.timeIntervalSince1970)
    let filter = ["--allusers", "--starttime=" + SlurmClock.utc(seconds)]
    // Where there is no accounting, what slurmctld remembers is all that there is.
    let past = try await accounting(filter, as: configuration.observer, timeout: .seconds(60)) ?? []
    return past.filter { $0.mark != nil }.map(\.sighting).filter(\.state.isTerminal)
  }

  public func recall(_ key: JobKey, backendID: String) async throws(BackendError) -> Sighting? {
    guard !backendID.isEmpty, backendID.utf8.count <= 10, backendID.utf8.allSatisfy({ (48...57).contains($0) }) else {
      return nil
    }
    let past = try await accounting(["--jobs=" + backendID], as: configuration.observer) ?? []
    return past.map(\.sighting).first { $0.name == key.name && $0.mark?.claim?.number == key.number }
  }

  /// A failure to ask is never a statement about the job.
  private func asked(_ error: BackendError) -> BackendError { .unavailable(error.description) }

  // MARK: Acting on a job

  public func cancel(_ job: Job) async throws(BackendError) { try await act("scancel", on: job) }
  public func release(_ job: Job) async throws(BackendError) { try await act("scontrol", "release", on: job) }

  /// Does something to the job itself, and not to another that got its id after Slurm was reset: what bears the id must
  /// have its mark or, where its user changed that, its name.
  private func act(_ words: String..., on job: Job) async throws(BackendError) {
    let id = try id(of: job)
    let script = try Command.checkedScript(
      """
      export LC_ALL=C
      shown=$(squeue --noheader --all --states=all --jobs="$1" --format='|%k|%j|') || exit
      case $shown in *"$2"*|*"|$3|"*) ;; *) echo "Invalid job id specified: another job has it" >&2; exit 1;; esac
      shift 3
      exec "$@"
      """, [id, "weir:" + job.submissionToken, JobName.slurm(job.name)] + words + [id])
    let result = try await run(script, as: job.account)
    guard result.succeeded else { throw SlurmWords.failure(of: words[0], result.message) }
  }

  public func describe(_ job: Job) async throws(BackendError) -> String {
    let id = try id(of: job)
    let name = JobName.slurm(job.name)
    let live = try await run(.checked(["scontrol", "show", "job", id]), as: job.account)
    if live.succeeded {
      let text = live.text.trimmingSuffix(while: \.isWhitespace)
      // Not of another job that got the id after Slurm was reset.
      if text.contains("JobName=\(name)\n") || text.contains("weir:" + job.submissionToken) { return text }
    } else {
      let failure = SlurmWords.failure(of: "scontrol", live.message)
      guard case .notFound = failure else { throw asked(failure) }
    }
    // slurmctld has forgotten the job; accounting has not.
    let fields = "JobID,JobName,User,State,ExitCode,Submit,Start,End,Elapsed,NodeList"
    let past = try await run(
      .checked(["sacct", "--jobs=" + id, "--name=" + name, "--parsable2", "--format=" + fields]), as: job.account)
    guard past.succeeded else { throw asked(SlurmWords.failure(of: "sacct", past.message)) }
    return past.text.trimmingSuffix(while: \.isWhitespace)
  }

  // MARK: Reading

  public func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8] {
    guard let path = job.outputPath else { return [] }
    // A file is known not to be there only in a directory that can be entered; sbatch has made that. The status is that
    // of the first tail too, which alone reads the file.
    let script = try Command.checkedScript(
      """
      cd -- "$HOME" && cd -- "${1%/*}" || exit
      file=./${1##*/}
      [ -e "$file" ] || [ -L "$file" ] || exit 0
      exec 4>&1
      status=$({ { tail -c "$2" < "$file"; echo "$?" >&3; } | tail -n "$3" >&4; } 3>&1) && exit "$status"
      """, [path, String(configuration.outputLimit), String(max(1, lines))])
    let result = try await run(script, as: job.account, stdoutLimit: configuration.outputLimit + 1024)
    guard result.succeeded else { throw .unavailable("the output of job \(job.key) cannot be read: \(result.message)") }
    return result.stdout
  }

  public func list(
    _ path: String, account: String?, roots: [String]
  ) async throws(BackendError) -> [DirectoryEntry] {
    let result = try await run(Listing.command(path, roots: roots), as: account ?? configuration.observer)
    return try Listing.entries(of: path, result)
  }

  /// Removes the output file as the mapped user, and only where this connector would write it: in `.jarvice` below the
  /// scratch or home directory, which is entered before it is checked, and is no symbolic link to elsewhere.
  public func removeOutput(_ job: Job) async throws(BackendError) {
    guard let path = job.outputPath else { return }
    let file = job.name + ".out"
    let scratch = configuration.scratchDirectory
    guard ValueRule.jobName.accepts(job.name), path == (scratch.isEmpty ? "" : scratch + "/") + ".jarvice/" + file
    else {
      throw .refused("\(path) is not where output is written now")
    }
    let script = try Command.checkedScript(
      """
      cd -- "${1:-$HOME}" && base=$(pwd -P) || exit
      cd -P -- ./.jarvice || exit
      if [ "$(pwd -P)" != "${base%/}/.jarvice" ]; then echo "$base/.jarvice is a symbolic link" >&2; exit 1; fi
      exec rm -f -- "./$2"
      """, [scratch, file])
    let result = try await run(script, as: job.account)
    guard result.succeeded else { throw .refused("\(path) cannot be removed: \(result.message)") }
  }

  // MARK: Running commands

  private func id(of job: Job) throws(BackendError) -> String {
    guard let id = job.backendID else { throw .notFound("job \(job.key) has no Slurm job id") }
    return id
  }

  func run(
    _ command: Command, as account: String, stdin: [UInt8] = [], stdoutLimit: Int = 16 << 20, timeout: Duration? = nil,
    purpose: CommandPurpose = .action
  ) async throws(BackendError) -> CommandResult {
    var limits = OutputLimits()
    limits.stdout = stdoutLimit
    do throws(RunError) {
      return try await runner.run(
        command, as: account, stdin: stdin, limits: limits, timeout: timeout ?? configuration.commandTimeout,
        purpose: purpose)
    } catch {
      throw error.mayHaveRun ? .interrupted(error.description) : .unavailable(error.description)
    }
  }
}

/// What was learnt of how this cluster is asked, and of its accounts.
private final class Dialect: Sendable {
  private let submitLine = Mutex(true)
  private let accounts = Mutex<[String: ContinuousClock.Instant]>([:])

  func vetted(_ account: String) { accounts.withLock { if $0[account] == nil { $0[account] = .now } } }
  func isVetted(_ account: String, for duration: Duration) -> Bool {
    accounts.withLock { accounts in
      guard let since = accounts[account] else { return false }
      if .now - since > duration { accounts[account] = nil }
      return accounts[account] != nil
    }
  }

  var hasSubmitLine: Bool {
    get { submitLine.withLock { $0 } }
    set { submitLine.withLock { $0 = newValue } }
  }
}

enum SlurmClock {
  /// A moment as Slurm's options take it.
  static func utc(_ seconds: Int) -> String {
    let style = Date.ISO8601FormatStyle(timeZone: .gmt).year().month().day().time(includingFractionalSeconds: false)
    return Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(style)
  }
}

extension CommandResult {
  fileprivate var text: String { String(decoding: stdout, as: UTF8.self) }
}

extension String {
  fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> String {
    var end = endIndex
    while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
    return String(self[..<end])
  }
}

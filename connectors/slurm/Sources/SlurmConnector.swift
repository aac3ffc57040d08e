import Foundation
import Jobs
import Shell

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
    /// The most bytes of output that are read.
    public var outputLimit = 16 << 20

    public init(observer: String) { self.observer = observer }
  }

  public let name = "slurm"
  private let runner: any Runner
  private let configuration: Configuration

  public init(runner: any Runner, configuration: Configuration) {
    self.runner = runner
    self.configuration = configuration
  }

  public var troubles: [String] { runner.statusLines }

  // MARK: Submitting

  public func preview(_ submission: Submission) throws(BackendError) -> String {
    try sbatch(submission).validate()
    return try Sbatch.script(around: submission.shownScript)
  }

  public func outputPath(of submission: Submission) -> String? { sbatch(submission).outputPath }

  public func submit(_ submission: Submission, token: String) async throws(BackendError) -> String {
    let sbatch = sbatch(submission)
    try sbatch.validate()
    let script = try Sbatch.script(around: submission.script)
    let result = try await run(
      sbatch.command(token: token), as: submission.account, stdin: Array(script.utf8),
      timeout: configuration.submitTimeout)
    guard result.succeeded else { throw Sbatch.failure(result) }
    guard let id = Sbatch.jobID(in: result.stdout) else {
      throw .interrupted("sbatch answered without a job id: \(result.text.prefix(200))")
    }
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
    let seen = Set(observation.sightings.map(\.backendID))
    let gone = jobs.compactMap(\.backendID).filter { !seen.contains($0) }
    if !gone.isEmpty {
      do throws(BackendError) {
        observation.sightings += try await ended(gone)
      } catch {
        observation.accountingFailure = error.description
      }
    }
    return observation
  }

  /// What accounting says of jobs that left the queue: one call, unless they are more than a command line can carry.
  private func ended(_ ids: [String]) async throws(BackendError) -> [Sighting] {
    var sightings: [Sighting] = []
    for start in stride(from: 0, to: ids.count, by: 5000) {
      let some = ids[start..<min(start + 5000, ids.count)]
      let result = try await run(
        Sacct.command(["--jobs=" + some.joined(separator: ",")]), as: configuration.observer, stdoutLimit: 64 << 20,
        purpose: .observation)
      guard result.succeeded else { throw asked(SlurmWords.failure(of: "sacct", result.message)) }
      let wanted = Set(some)
      sightings += Sacct.sightings(result.stdout).filter { $0.state.isTerminal && wanted.contains($0.backendID) }
    }
    return sightings
  }

  public func locate(_ job: Job, timeout: Duration) async throws(BackendError) -> Sighting? {
    let deadline = ContinuousClock.now + timeout
    let (table, command) = try Squeue.command(["--user=" + job.account, "--name=jarvice_" + job.name])
    let queue = try await run(command, as: job.account, timeout: timeout)
    guard queue.succeeded else { throw asked(SlurmWords.failure(of: "squeue", queue.message)) }
    func ours(_ sightings: [Sighting]) -> Sighting? {
      sightings.first { $0.token == job.submissionToken && $0.account == job.account }
    }
    if let found = ours(Squeue.sightings(queue.stdout, table)) { return found }
    let since = Int(job.submittedAt.timeIntervalSince1970) - 60
    let accounting = try await run(
      Sacct.command([
        "--name=jarvice_" + job.name, "--user=" + job.account, "--starttime=" + SlurmClock.utc(since),
      ]), as: job.account, timeout: deadline - .now)
    guard accounting.succeeded else { throw asked(SlurmWords.failure(of: "sacct", accounting.message)) }
    return ours(Sacct.sightings(accounting.stdout))
  }

  /// A failure to ask is never a statement about the job.
  private func asked(_ error: BackendError) -> BackendError { .unavailable(error.description) }

  // MARK: Acting on a job

  public func cancel(_ job: Job) async throws(BackendError) {
    try await act(["scancel", id(of: job)], as: job.account)
  }

  public func release(_ job: Job) async throws(BackendError) {
    try await act(["scontrol", "release", id(of: job)], as: job.account)
  }

  private func act(_ arguments: [String], as account: String) async throws(BackendError) {
    let result = try await run(.checked(arguments, environment: [("LC_ALL", "C")]), as: account)
    guard result.succeeded else { throw SlurmWords.failure(of: arguments[0], result.message) }
  }

  public func describe(_ job: Job) async throws(BackendError) -> String {
    let id = try id(of: job)
    let live = try await run(.checked(["scontrol", "show", "job", id]), as: job.account)
    if live.succeeded { return live.text.trimmingSuffix(while: \.isWhitespace) }
    let failure = SlurmWords.failure(of: "scontrol", live.message)
    guard case .notFound = failure else { throw asked(failure) }
    // slurmctld has forgotten the job; accounting has not.
    let fields = "JobID,JobName,User,State,ExitCode,Submit,Start,End,Elapsed,NodeList"
    let past = try await run(.checked(["sacct", "--jobs=" + id, "--parsable2", "--format=" + fields]), as: job.account)
    guard past.succeeded else { throw asked(SlurmWords.failure(of: "sacct", past.message)) }
    return past.text.trimmingSuffix(while: \.isWhitespace)
  }

  // MARK: Reading

  public func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8] {
    guard let path = job.outputPath else { return [] }
    let script = try Command.checkedScript(
      "cd -- \"$HOME\" || exit; [ -e \"$1\" ] || exit 0; tail -c \"$2\" -- \"$1\" | tail -n \"$3\"",
      [path, String(configuration.outputLimit), String(max(1, lines))])
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
      [ -e .jarvice ] || [ -L .jarvice ] || exit 0
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

  private func run(
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

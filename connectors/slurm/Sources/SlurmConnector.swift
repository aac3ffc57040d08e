import ConnectorAPI
import ConnectorSupport
import Foundation
import JobModel
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
    /// For how long an account that was found to be an ordinary one is not checked again.
    public var vettedFor: Duration = .seconds(600)
    /// The most bytes of output that are read.
    public var outputLimit = 16 << 20

    public init(observer: String) { self.observer = observer }

    /// Seconds until the last moment at which an sbatch may begin: just before its call is given up, or as much later as
    /// the connection delivers it. Three are for writing the job down, one for killing what does not end.
    private var lastBeginning: Int { 3 + Int((submitTimeout + heldBack).components.seconds) + 1 }

    /// See ``Connector/submitWindow``.
    var submitWindow: Int { lastBeginning + sbatchLimit }

    /// Gives sbatch what time there is until a submit is given up, and never so little that a busy slurmctld has none.
    public mutating func fit(submitDeadline: Int) {
      sbatchLimit = max(16, min(45, submitDeadline - lastBeginning))
    }
  }

  public let name = "slurm"
  private let runner: any Runner
  let configuration: Configuration
  let dialect = Dialect()
  let sight = Sight()
  let disguises = Disguises()

  public init(runner: any Runner, configuration: Configuration) {
    self.runner = runner
    self.configuration = configuration
  }

  public var health: [HealthIssue] {
    runner.statusLines.map { .warning("SSH", $0) } + sight.issues(of: configuration.observer)
  }

  public var submitWindow: TimeInterval { TimeInterval(configuration.submitWindow) }

  // MARK: Submitting

  public func preview(_ submission: JobSpec) throws(BackendError) -> String {
    try sbatch(submission).validate()
    return try Sbatch.script(around: submission.shownScript)
  }

  public func outputPath(of submission: JobSpec, token: String) -> String? { sbatch(submission).outputPath }

  public func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String {
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
      let found: JobReport?
      do throws(BackendError) {
        let wanted = SearchedJob(submission, token: mark.token, submittedAt: submitted)
        found = try await search(
          for: wanted, as: submission.account, timeout: configuration.submitTimeout - (.now - began)
        ).found
      } catch {
        throw .interrupted("\(failure); whether Slurm has the job is unknown: \(error)")
      }
      guard let found, !found.isRefusal else { throw failure }
      return found.backendID
    }
    guard let id = Sbatch.jobID(in: result.stdout) else {
      let words = String(decoding: result.stdout.prefix(200), as: UTF8.self)
      throw .interrupted("sbatch printed no job id: \(words)")
    }
    dialect.vetted(submission.account)
    return id
  }

  private func sbatch(_ submission: JobSpec) -> Sbatch {
    Sbatch(submission: submission, scratchDirectory: configuration.scratchDirectory)
  }

  /// A failure to ask is never a statement about the job.
  func asked(_ error: BackendError) -> BackendError { .unavailable(error.description) }

  // MARK: Running commands

  func id(of job: Job) throws(BackendError) -> String {
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
      switch error {
      case .noKey, .loginRefused:
        // The observing account's key is a setting; the other accounts' keys are in the users file.
        guard account != configuration.observer else { throw .unavailable(error.description) }
        throw .noLogin(account: account, error.description)
      case .interrupted: throw .interrupted(error.description)
      case .unavailable, .file: throw .unavailable(error.description)
      }
    }
  }
}

extension CommandResult {
  var text: String { String(decoding: stdout, as: UTF8.self) }
}

import ConnectorAPI
import Foundation
import JobModel
import Logging
import Shell
import Support

/// Jobs on a handful of servers with GPUs, reached by SSH with nothing installed on them, or on this machine.
///
/// The queue is Weir's own: a job is accepted when its row is on disk, and waits there for its server. On the server it
/// needs nobody: what it is and how it ended stands in its directory.
public final class GPUConnector: QueueingConnector, InputStagingConnector, HoldingConnector, SuspendingConnector,
  SignallingConnector, DescribingConnector, OutputReadingConnector, OutputRemovingConnector, FileStreamingConnector,
  FileKeepingConnector, DirectoryListingConnector
{
  public struct Configuration: Sendable {
    /// The least time between two looks at all jobs of a server.
    public var sweepInterval: Duration = .seconds(2)
    /// From TERM to KILL when a job is canceled or past its time limit.
    public var grace: Duration = .seconds(10)
    /// How many starts in a row a server may fail before it is given no more jobs for a while.
    public var startFailures = 3
    /// For how long, at first.
    public var quarantine: Duration = .seconds(60)
    /// How long an attempt may have begun nothing before it is given up.
    public var claimPatience: Duration = .seconds(30)
    /// Which Weir this is to others that may use the same job roots.
    public var owner = RootOwner()
    /// How long the record of another must be unchanged before its job root is taken over.
    var ownerPatience = RootOwner.Patience()
    /// How long a server must be neither in the servers file nor to be reached before its jobs are lost.
    public var lostAfter: Duration = .seconds(600)
    /// How long after a start servers that cannot be reached are waited for before jobs are started on the others.
    public var recallPatience: Duration = .seconds(30)
    /// The most bytes of output that are read.
    public var outputLimit = 16 << 20

    public init() {}
  }

  /// Where the jobs run.
  public enum Place: Sendable {
    /// On the servers of a file, which is read again when it changes.
    case servers(path: String, readKey: KeyReader, connections: any ServerConnections)
    /// On this machine, as the account that Weir runs as.
    /// - Parameters:
    ///   - root: the directory of the jobs' directories.
    ///   - gpus: how many GPUs there are for jobs; nil for those that nvidia-smi shows.
    case thisMachine(root: String, gpus: Int?)
  }

  public let name: String
  private let source: ServersSource
  private let configuration: Configuration
  private let logger: Logger
  private let fleet = Shared<Fleet?>(nil)
  private let gone = Shared(GoneServers())

  /// - Throws: ``ServersFault`` with everything that is wrong in the servers file.
  public init(_ place: Place, configuration: Configuration, logger: Logger) throws(ServersFault) {
    source = try ServersSource(place, logger: logger)
    self.configuration = configuration
    self.logger = logger
    if case .thisMachine = place { name = "local" } else { name = "gpu" }
  }

  /// Reads the servers file again soon, and its keys by this reader.
  public func reload(readKey: @escaping KeyReader) { source.reload(readKey: readKey) }

  /// What is wrong in a servers file, one sentence each with its line.
  public static func faults(inServersFile path: String, readKey: @escaping KeyReader) -> [String] {
    do throws(ServersFile.Invalid) {
      _ = try ServersFile(path: path, readKey: readKey)
      return []
    } catch {
      return error.faults.map(\.description)
    }
  }

  public func work(on board: any JobBoard) async {
    let fleet = Fleet(board: board, configuration: configuration, logger: logger, makeRunner: source.makeRunner)
    await fleet.use(source.servers)
    self.fleet.change { $0 = fleet }
    await withDiscardingTaskGroup { group in
      group.addTask { await fleet.work() }
      group.addTask { await self.source.watch { servers in await fleet.use(servers) } }
    }
  }

  // MARK: Submitting

  public func preview(_ submission: JobSpec) throws(BackendError) -> String {
    try check(submission)
    return submission.shownScript
  }

  private func check(_ submission: JobSpec) throws(BackendError) {
    guard ValueRule.jobName.accepts(submission.name) else { throw .refused("name: \(ValueRule.jobName.expected)") }
    guard submission.nodes == 1 else {
      throw .refused("nodes: a job runs on one server here, and \(submission.nodes) were requested")
    }
    guard submission.licenses == nil else { throw .refused("licenses: this connector has none") }
    guard submission.partition == nil else { throw .refused("partition: this connector has none") }
    if let option = submission.options.first { throw .refused("\(option.name): \(name) has no such option") }
    if let limit = submission.timeLimit {
      guard ValueRule.timeLimit.accepts(limit) else { throw .refused("time limit: \(ValueRule.timeLimit.expected)") }
    }
    guard !submission.script.utf8.contains(0) else { throw .refused("the script holds a NUL byte") }
    let need = Need(
      gpus: submission.gpusPerNode, cores: submission.coresPerNode, memoryGB: submission.memoryPerNode ?? 0,
      needsPax: submission.input?.needsPax ?? false)
    if let fault = PlacementQueue.fault(need, limits) { throw .refused(fault) }
  }

  /// What the servers have when all is well.
  private var limits: [ServerLimits] {
    let fleet = fleet.value
    return source.servers.map { spec in
      let controller = fleet?.roster.controller(spec.name)
      // A GPU that is out of order today may be well tomorrow.
      let gpus = controller?.gpus.known?.gpus.count
      return spec.limits(gpus: spec.gpus == .auto ? gpus : nil, controller?.status.value.facts)
    }
  }

  public func outputPath(of submission: JobSpec, token: String) -> String? { "jobs/" + token }

  /// The row is on disk: that is all there is to it.
  public func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String { mark.token }

  /// A row that is there was accepted. A job that has a server was looked for there by each sweep.
  public func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? {
    guard let fleet = fleet.value else { throw .unavailable("the queue is being prepared") }
    if !job.nodes.isEmpty {
      if let failure = fleet.roster.controller(of: job)?.status.value.failure { throw .unavailable(failure) }
      return nil
    }
    let payload: JobPayload
    do throws(PayloadError) { payload = try await fleet.payload(of: job) } catch {
      guard case .lost(let reason) = error else { throw .unavailable("\(error)") }
      // It was accepted, and can never run.
      return JobReport(
        backendID: job.submissionToken, mark: Mark(token: job.submissionToken), state: .failed, source: "queue",
        backendWord: "failed", reason: reason, outcome: .failed)
    }
    return JobReport(
      backendID: job.submissionToken, mark: Mark(token: job.submissionToken),
      state: payload.submission.held ? .held : .queued, source: "queue", backendWord: "queued")
  }

  // MARK: Observing

  /// What is known of the jobs by the servers' controllers, each of which looks after its own.
  public func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot {
    guard let fleet = await readyFleet() else { throw .unavailable("the queue is being prepared") }
    var snapshot = Snapshot(time: Date(), reports: [])
    let patience = max(.seconds(10), configuration.sweepInterval * 4)
    let absent = Set(jobs.filter { !$0.nodes.isEmpty && !fleet.roster.isPresent($0) }.map(\.id))
    gone.change { $0.note(absent) }
    for job in jobs {
      guard let id = job.backendID else { continue }
      guard let name = job.nodes.first else {
        snapshot.unchanged.insert(id)
        continue
      }
      if gone.value.isGone(job.id, for: configuration.lostAfter) {
        let server = fleet.roster.controller(of: job)?.identity ?? name
        snapshot.reports.append(.lost(job, with: server, at: snapshot.time))
        continue
      }
      guard let status = fleet.roster.controller(of: job)?.status.value else {
        snapshot.unreachable[id] = "\(name) is not in the servers file"
        continue
      }
      if status.isCurrent(least: patience) {
        if status.missing.contains(job.id) {
          snapshot.answers[id] = status.damaged[job.attemptID] ?? "\(name) does not have it"
        } else {
          snapshot.unchanged.insert(id)
        }
      } else {
        snapshot.unreachable[id] = status.failure ?? "\(name) has not been polled yet"
      }
    }
    snapshot.reports += fleet.roster.members.flatMap {
      $0.controller.status.value.strangers.values.map(\.report)
    }
    return snapshot
  }

  /// The servers, once each was tried or has had two seconds: before that nothing is known of a store that was lost.
  private func readyFleet() async -> Fleet? {
    // Submits wait for three.
    let deadline = ContinuousClock.now + .seconds(2)
    while ContinuousClock.now < deadline {
      if let fleet = fleet.value, fleet.roster.members.allSatisfy({ $0.controller.status.value.isTried }) {
        return fleet
      }
      try? await Task.sleep(for: .milliseconds(20))
    }
    return fleet.value
  }

  public var health: [HealthIssue] {
    source.warnings.map { .warning("servers file", $0) } + (fleet.value?.health.issues ?? [])
  }

  // MARK: Acting on a job

  /// Tells a job to end. One that waits has nothing to be told; of a server that is away it is remembered.
  public func cancel(_ job: Job) async throws(BackendError) {
    guard let fleet = fleet.value, let current = fleet.current(job),
      let controller = fleet.roster.controller(of: current)
    else { return }
    do { try await controller.control.cancel(current) } catch {
      logger.warning("\(job.key): the cancel failed and is tried again: \(error)")
      controller.poke()
    }
  }

  public func release(_ job: Job) async throws(BackendError) {}

  public func hold(_ job: Job) async throws(BackendError) {
    guard fleet.value?.current(job)?.nodes.isEmpty ?? true else { throw .refused("the job has started") }
  }

  public func suspend(_ job: Job) async throws(BackendError) { try await signal(job, "STOP") }
  public func resume(_ job: Job) async throws(BackendError) { try await signal(job, "CONT") }

  public func signal(_ job: Job, _ signal: String) async throws(BackendError) {
    let known = ["HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP", "TSTP", "WINCH", "ALRM", "ABRT"]
    guard known.contains(signal) else { throw .refused("signal: expected one of \(known.joined(separator: ", "))") }
    try await controller(of: job).control.signal(job, signal)
  }

  public func describe(_ job: Job) async throws(BackendError) -> String {
    guard let fleet = fleet.value else { throw .unavailable("the queue is being prepared") }
    if let controller = fleet.roster.controller(of: job) { return try await controller.files.describe(job) }
    let place = await fleet.place(of: job).map { "\nPlace \($0.place) of \($0.count) in the queue" } ?? ""
    let resources = job.resources ?? ResourceRequest()
    return """
      Job \(job.key), \(job.submissionToken): \(job.state.rawValue)\(job.reason.isEmpty ? "" : ", \(job.reason)")
      Needs \(resources.gpus.counted("GPU")), \(resources.cores.counted("core"))\(resources.memory.map { ", \($0) GB of memory" } ?? "")
      """ + place
  }

  public func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8] {
    guard !job.nodes.isEmpty, !isOutOfReach(job) else { return [] }
    return try await controller(of: job).files.output(
      job, stream: "stdout", bytes: configuration.outputLimit, lines: lines)
  }

  public func results(
    of job: Job, matching globs: [ResultGlob], withOutput: Bool,
    onMatched: @escaping @Sendable (Int) async throws -> Void,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    try await controller(of: job).files.results(
      of: job, matching: globs, withOutput: withOutput, onMatched: onMatched, onOutput: onOutput)
  }

  public func files(
    of job: Job, matching globs: [ResultGlob], onFiles: @escaping @Sendable ([JobFile]) async throws -> Void
  ) async throws { try await controller(of: job).files.files(of: job, matching: globs, onFiles: onFiles) }

  public func outputSize(_ job: Job) async throws(BackendError) -> Int? {
    job.nodes.isEmpty || isOutOfReach(job) ? nil : try await controller(of: job).files.outputSize(job, stream: "stdout")
  }

  /// Removes what the job has printed and what Weir wrote for it. What a put-back attempt left on another server goes too.
  public func removeOutput(_ job: Job) async throws(BackendError) { try await remove(job, keepingWork: true) }

  /// Removes the job's directory.
  public func removeFiles(_ job: Job) async throws(BackendError) { try await remove(job, keepingWork: false) }

  private func remove(_ job: Job, keepingWork: Bool) async throws(BackendError) {
    let home = job.nodes.isEmpty || isOutOfReach(job) ? nil : try await controller(of: job)
    try await fleet.value?.roster.remove(job, from: home, keepingWork: keepingWork)
  }

  public func list(
    _ path: String, account: String?, roots: [String]
  ) async throws(BackendError) -> [DirectoryEntry] {
    let controller = fleet.value?.roster.members.first { $0.controller.status.value.obstacle() == nil }?.controller
    guard let controller else { throw .unavailable("no server can be used") }
    return try await controller.files.list(path, roots: roots)
  }

  /// Whether a job was lost with its server, which is still gone: its output is, too.
  private func isOutOfReach(_ job: Job) -> Bool {
    guard job.state == .lost, job.backendWord == JobReport.gone, let fleet = fleet.value else { return false }
    return !fleet.roster.isPresent(job)
  }

  private func controller(of job: Job) async throws(BackendError) -> ServerController {
    guard let name = job.nodes.first else { throw .refused("the job has no server yet") }
    guard let controller = await fleet.value?.home(of: job) else {
      throw .unavailable("\(name) is not in the servers file")
    }
    return controller
  }
}

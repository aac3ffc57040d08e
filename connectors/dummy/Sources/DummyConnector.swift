import Foundation
import Jobs

/// Pretends to run jobs, by the clock alone: for trying Weir, and the upstream's side of it, without a cluster.
///
/// A job waits, runs and ends, well or badly, after the times that the settings say. What becomes of a job follows from
/// its own record, so that a restart changes nothing.
public struct DummyConnector: Connector {
  public struct Configuration: Sendable {
    /// Seconds a job runs.
    public var runningTime = 10
    /// Seconds a job waits.
    public var queuedTime = 5
    /// How many of a hundred jobs fail.
    public var failingPercent = 50
    /// Whether jobs pretend to be interactive.
    public var interactive = false

    public init() {}
  }

  public let name = "dummy"
  private let configuration: Configuration

  public init(configuration: Configuration = .init()) { self.configuration = configuration }

  public var troubles: [String] { [] }
  public var runsInteractiveJobs: Bool { configuration.interactive }

  public func preview(_ submission: Submission) throws(BackendError) -> String { submission.shownScript }

  public func outputPath(of submission: Submission, token: String) -> String? { nil }

  public func submit(_ submission: Submission, mark: Mark) async throws(BackendError) -> String {
    "dummy_" + mark.token
  }

  public func observe(_ jobs: [Job]) async throws(BackendError) -> Observation {
    let now = Date()
    return Observation(time: now, sightings: jobs.compactMap { sighting(of: $0, at: now) })
  }

  /// Nothing is remembered here, so that what was not answered did not happen.
  public func locate(_ job: Job, timeout: Duration) async throws(BackendError) -> Sighting? { nil }

  public func cancel(_ job: Job) async throws(BackendError) {}
  public func release(_ job: Job) async throws(BackendError) {}

  public func describe(_ job: Job) async throws(BackendError) -> String {
    "Job \(job.key) is \(job.state.rawValue) on the dummy connector, which only pretends to run it."
  }

  public func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8] {
    guard job.startedAt != nil || job.ending == .completed || job.ending == .failed else { return [] }
    return Array("This is job \(job.name)\nIt pretended to run for \(job.elapsed(at: Date())) s\n".utf8)
  }

  public func list(_ path: String, account: String?, roots: [String]) async throws(BackendError) -> [DirectoryEntry] {
    throw .notFound("the dummy connector has no files: \(path)")
  }

  public func url(of job: Job) -> String? { configuration.interactive ? "http://localhost:8080" : nil }

  private func sighting(of job: Job, at now: Date) -> Sighting? {
    guard let id = job.backendID else { return nil }
    let started = job.submittedAt + TimeInterval(configuration.queuedTime)
    let ended = started + TimeInterval(configuration.runningTime)
    func sighting(_ state: JobState, _ ending: Ending? = nil, _ elapsed: TimeInterval = 0) -> Sighting {
      Sighting(
        backendID: id, mark: Mark(token: job.submissionToken), state: state, source: "dummy",
        backendWord: state.rawValue,
        ending: ending, exitCode: ending == .failed ? 1 : ending == .completed ? 0 : nil,
        nodes: elapsed > 0 ? ["dummy"] : [], elapsed: Int(elapsed), submittedAt: job.submittedAt,
        startedAt: elapsed > 0 ? started : nil, endedAt: ending == nil ? nil : min(ended, now))
    }
    let elapsed = max(0, min(now, ended).timeIntervalSince(started))
    if job.state == .canceling { return sighting(.canceled, .canceled, elapsed) }
    if job.state == .held { return sighting(.held) }
    if now < started { return sighting(.queued) }
    if now < ended { return sighting(.running, nil, elapsed) }
    return fails(job) ? sighting(.failed, .failed, elapsed) : sighting(.succeeded, .completed, elapsed)
  }

  /// Drawn once for each job: by the FNV-1a hash of its token.
  private func fails(_ job: Job) -> Bool {
    let hash = job.submissionToken.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return hash % 100 < UInt64(max(0, configuration.failingPercent))
  }
}

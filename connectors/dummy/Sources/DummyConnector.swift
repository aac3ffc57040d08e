import ConnectorAPI
import Foundation
import JobModel
import Synchronization

/// Pretends to run jobs, by the clock alone: for trying Weir, and the upstream's side of it, without a cluster.
///
/// A job waits, runs and ends, well or badly, after the times that the settings say, measured by the monotonic clock. A
/// restart goes on with what a job's own record says.
public struct DummyConnector: ReleasingConnector, InteractiveConnector, DescribingConnector, OutputReadingConnector {
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
  private let ages: Ages

  public init(configuration: Configuration = .init()) { self.init(configuration: configuration, now: { .now }) }

  init(configuration: Configuration, now: @escaping @Sendable () -> ContinuousClock.Instant) {
    self.configuration = configuration
    ages = Ages(now)
  }

  /// How many jobs it remembers.
  var remembered: Int { ages.count }

  public var health: [HealthIssue] { [] }
  public var runsInteractiveJobs: Bool { configuration.interactive }

  public func preview(_ submission: JobSpec) throws(BackendError) -> String { submission.shownScript }

  public func outputPath(of submission: JobSpec, token: String) -> String? { nil }

  public func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String {
    ages.begin(mark.token)
    return "dummy_" + mark.token
  }

  public func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot {
    let now = Date()
    ages.forget(besides: jobs)
    return Snapshot(time: now, reports: jobs.compactMap { report(of: $0, at: now) })
  }

  /// Nothing is remembered here, so that what was not answered did not happen.
  public func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? { nil }

  public func cancel(_ job: Job) async throws(BackendError) {}
  public func release(_ job: Job) async throws(BackendError) {}

  public func describe(_ job: Job) async throws(BackendError) -> String {
    "Job \(job.key) is \(job.state.rawValue) on the dummy connector, which only pretends to run it."
  }

  public func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8] {
    guard job.startedAt != nil || job.state == .succeeded || job.state == .failed else { return [] }
    return Array("This is job \(job.name)\nIt pretended to run for \(job.elapsed(at: Date())) s\n".utf8)
  }

  public func url(of job: Job) -> String? { configuration.interactive ? "http://localhost:8080" : nil }

  private func report(of job: Job, at now: Date) -> JobReport? {
    guard let id = job.backendID, !job.state.isTerminal else { return nil }
    let (queued, running) = (TimeInterval(configuration.queuedTime), TimeInterval(configuration.runningTime))
    let age = ages.age(
      of: job, at: now, least: job.startedAt == nil ? 0 : queued, most: queued + running)
    let started = job.submittedAt + queued
    func report(_ state: JobState, _ outcome: Outcome? = nil, _ elapsed: TimeInterval = 0) -> JobReport {
      if outcome != nil { ages.end(job.submissionToken) }
      let hasStarted = state == .running || elapsed > 0
      return JobReport(
        backendID: id, mark: Mark(token: job.submissionToken), state: state, source: "dummy",
        backendWord: state.rawValue,
        outcome: outcome,
        nodes: hasStarted ? ["dummy"] : [], elapsed: Int(elapsed), submittedAt: job.submittedAt,
        startedAt: hasStarted ? started : nil, endedAt: outcome == nil ? nil : started + elapsed)
    }
    let elapsed = max(0, min(age - queued, running))
    if job.state == .canceling { return report(.canceled, .canceled, elapsed) }
    if job.state == .held { return report(.held) }
    if age < queued { return report(.queued) }
    if age < queued + running { return report(.running, nil, elapsed) }
    return fails(job)
      ? report(.failed, Outcome(.failed, exitCode: 1), elapsed)
      : report(.succeeded, Outcome(.succeeded, exitCode: 0), elapsed)
  }

  /// Drawn once for each job: by the FNV-1a hash of its token.
  private func fails(_ job: Job) -> Bool {
    let hash = job.submissionToken.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return hash % 100 < UInt64(max(0, configuration.failingPercent))
  }
}

/// How old the jobs are, by a clock that nobody sets.
private final class Ages: Sendable {
  private let now: @Sendable () -> ContinuousClock.Instant
  private let begins = Mutex<[String: ContinuousClock.Instant]>([:])

  init(_ now: @escaping @Sendable () -> ContinuousClock.Instant) { self.now = now }

  var count: Int { begins.withLock { $0.count } }

  func begin(_ token: String) { begins.withLock { $0[token] = now() } }
  func end(_ token: String) { begins.withLock { $0[token] = nil } }

  /// How long a job is remembered that nobody has asked about: it may have been submitted just now.
  private static let patience: Duration = .seconds(60)

  /// Forgets the jobs that are not asked about any more, since they ended in another way than here. One that comes back
  /// has the age that its record says.
  func forget(besides jobs: [Job]) {
    let (tokens, old) = (Set(jobs.map(\.submissionToken)), now() - Self.patience)
    begins.withLock { begins in begins = begins.filter { tokens.contains($0.key) || $0.value > old } }
  }

  /// Seconds since a job was submitted; of one that an earlier run took, as its record says, within bounds.
  func age(of job: Job, at date: Date, least: TimeInterval, most: TimeInterval) -> TimeInterval {
    let now = now()
    let begin = begins.withLock { begins in
      if let begin = begins[job.submissionToken] { return begin }
      let age = max(least, min(most, date.timeIntervalSince(job.submittedAt)))
      let begin = now - .seconds(age)
      begins[job.submissionToken] = begin
      return begin
    }
    return (now - begin) / .seconds(1)
  }
}

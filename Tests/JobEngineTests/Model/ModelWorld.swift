import ConnectorAPI
import Foundation
import JobModel
import Synchronization

@testable import JobEngine

/// What really becomes of jobs, of which the service sees only what the backend shows.
struct World {
  struct Job {
    var id: String
    var mark: Mark
    var name: String
    var state = JobState.queued
    /// How it ended; a job that is over may be requeued all the same, and end again.
    var outcome: Outcome? { didSet { if let outcome { outcomes.append(outcome) } } }
    var outcomes: [Outcome] = []
    var startedAt: Date?
    var runs = 1
    /// Whether the queue still has it, and whether accounting ever will.
    var inQueue = true
    var isRecorded = true
  }

  var now = Date(timeIntervalSince1970: 1_800_000_000)
  /// By their tokens.
  var jobs: [String: Job] = [:]
  var nextID = 1
  /// What was sent and is still to be taken.
  var underWay: [(JobSpec, Mark)] = []
  var lists = true
  var accounts = true
  /// Whether what accounting says of jobs that are over has their marks.
  var keepsMarks = true
  /// Whether the queue is shown without its jobs, as to an account that may not see those of others.
  var isHidden = false
  /// Whether a cancel is answered well and does nothing.
  var ignoresCancels = false
  /// Weir's calendar, which is stepped; `now` is the true time.
  var calendar = Date(timeIntervalSince1970: 1_800_000_000)

  /// The tokens of the jobs that the queue shows.
  var shown: Set<String> { isHidden ? [] : Set(jobs.values.filter(\.inQueue).map(\.mark.token)) }

  mutating func accept(_ submission: JobSpec, _ mark: Mark) -> String {
    defer { nextID += 1 }
    jobs[mark.token] = Job(id: "\(nextID)", mark: mark, name: submission.name)
    return "\(nextID)"
  }

  /// The backend forgets its queue, and gives its ids out anew.
  mutating func reset() {
    for token in jobs.keys { jobs[token]?.inQueue = false }
    nextID = 1
  }

  func report(_ job: Job, source: String) -> JobReport {
    JobReport(
      backendID: job.id, mark: job.mark, name: job.name, account: "kirby", state: job.state, source: source,
      backendWord: job.state.rawValue,
      outcome: job.outcome.map { $0.with(exitCode: source == "queue" ? nil : 0, signal: nil) },
      startedAt: job.startedAt, endedAt: job.outcome == nil ? nil : now)
  }

  var records: [JobReport] {
    jobs.values.filter { $0.isRecorded && $0.outcome != nil }.map { report($0, source: "records") }
  }

  func observation(of asked: [JobModel.Job]) throws(BackendError) -> Snapshot {
    guard lists else { throw .unavailable("the queue is down") }
    let shown = shown
    var observation = Snapshot(
      time: calendar,
      reports: jobs.values.filter { shown.contains($0.mark.token) }.map { report($0, source: "queue") }.shuffled())
    let gone = Set(asked.filter { !shown.contains($0.submissionToken) }.compactMap(\.backendID))
    guard !gone.isEmpty else { return observation }
    guard accounts else {
      observation.accountingFailure = "accounting is down"
      return observation
    }
    observation.reports += records.filter { gone.contains($0.backendID) }.map { record in
      var record = record
      if !keepsMarks { record.mark = nil }
      return record
    }
    return observation
  }

  func locate(_ job: JobModel.Job) throws(BackendError) -> JobReport? {
    guard lists, accounts else { throw .unavailable("the backend is down") }
    guard let found = jobs[job.submissionToken] else { return nil }
    // When this says of a submit in doubt that there is none, there is none: the deadline until which it is looked for
    // sees to it. What was in the queue may have been forgotten.
    guard found.inQueue || found.isRecorded || job.backendID == nil else { return nil }
    return report(found, source: found.inQueue ? "queue" : "records")
  }
}

/// The backend of such a world.
final class WorldConnector: RecoveringConnector {
  enum Fate: CaseIterable { case answered, answerLost, neverArrived, refused, late }

  let world = Mutex(World())
  let fate = Mutex(Fate.answered)
  let name = "world"
  var health: [HealthIssue] { [] }

  func preview(_ submission: JobSpec) throws(BackendError) -> String { submission.shownScript }
  func outputPath(of submission: JobSpec, token: String) -> String? { nil }

  func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String {
    let fate = fate.withLock { $0 }
    if fate == .refused { throw .refused("no") }
    if fate == .neverArrived { throw .interrupted("cut before") }
    if fate == .late {
      world.withLock { $0.underWay.append((submission, mark)) }
      throw .interrupted("sbatch still runs")
    }
    let id = world.withLock { $0.accept(submission, mark) }
    if fate == .answerLost { throw .interrupted("cut after") }
    return id
  }

  func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot {
    try world.withLock { (world) throws(BackendError) in try world.observation(of: jobs) }
  }
  func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? {
    try world.withLock { (world) throws(BackendError) in try world.locate(job) }
  }
  func recover(_ key: JobKey, backendID: String) async throws(BackendError) -> JobReport? { nil }
  func recover(since: Date) async throws(BackendError) -> [JobReport] {
    try world.withLock { (world) throws(BackendError) in
      guard world.accounts else { throw .unavailable("accounting is down") }
      return world.records
    }
  }
  func cancel(_ job: Job) async throws(BackendError) {
    try world.withLock { (world) throws(BackendError) in
      guard world.lists else { throw .unavailable("the queue is down") }
      guard var target = world.jobs[job.submissionToken], target.inQueue, target.outcome == nil else {
        throw .notFound("gone")
      }
      if world.ignoresCancels { return }
      (target.state, target.outcome) = (.canceled, .canceled)
      world.jobs[job.submissionToken] = target
    }
  }
}

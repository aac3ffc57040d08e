import ConnectorAPI
import Foundation
import JobModel
import Synchronization

/// What a connector did that it must not do, or did not do in time.
struct Deviation: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

func expect(_ condition: Bool, _ sentence: @autoclosure () -> String) throws {
  if !condition { throw Deviation(sentence()) }
}

/// A connector at work with the jobs of the suite: submits them, polls them, and waits for what becomes of them.
final class Workbench: Sendable {
  let subject: ConformanceSubject
  let board = MemoryBoard()
  private let pollFailure = Mutex<String?>("no poll was answered yet")

  var connector: any Connector { subject.connector }

  init(_ subject: ConformanceSubject) { self.subject = subject }

  /// Polls, and has a connector with a queue of its own work on the board, while a body runs; then ends what is left.
  func atWork<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
    let work = Task { await (connector as? any QueueingConnector)?.work(on: board) }
    let poll = Task {
      while !Task.isCancelled {
        await self.poll()
        try? await Task.sleep(for: subject.pollInterval)
      }
    }
    let result: Result<Value, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    await clearUp()
    poll.cancel()
    work.cancel()
    await poll.value
    await work.value
    return try result.get()
  }

  private func poll() async {
    let isDelayed = connector.has(.delayedExitCodes)
    let asked = board.all.filter { job in
      job.backendID != nil && (!job.state.isTerminal || isDelayed && job.outcome?.exitCode == nil)
    }
    do throws(BackendError) {
      board.take(try await connector.snapshot(of: asked))
      pollFailure.withLock { $0 = nil }
    } catch {
      pollFailure.withLock { $0 = error.description }
    }
  }

  private func clearUp() async {
    for job in board.living { try? await cancel(job) }
    let deadline = ContinuousClock.now + subject.patience
    while !board.living.isEmpty, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(50)) }
    for job in board.all where job.backendID != nil {
      try? await (connector as? any OutputRemovingConnector)?.removeOutput(job)
      try? await (connector as? any FileKeepingConnector)?.removeFiles(job)
    }
  }

  // MARK: Jobs

  func spec(_ name: String, _ script: String, held: Bool = false) -> JobSpec {
    var spec = JobSpec(
      name: "conformance-\(name)-\(ULID.make(at: Date()).suffix(8))", number: 1,
      owner: "\(subject.account)@example.com",
      account: subject.account, nodes: 1, coresPerNode: 1, timeLimit: "00:05:00", exclusive: false, held: held,
      request: script, script: script, shownScript: script)
    subject.adapt(&spec)
    return spec
  }

  func mark(_ spec: JobSpec, token: String) -> Mark {
    Mark(token: token, claim: .init(number: spec.number, owner: spec.owner, content: "conformance", seal: "none"))
  }

  /// A job as it is before its submit.
  func job(_ spec: JobSpec) -> Job {
    let token = ULID.make(at: Date())
    var job = Job(
      id: JobID(rawValue: ULID.next()), key: spec.key, owner: spec.owner, account: spec.account,
      connector: connector.name, submissionToken: token, fingerprint: "conformance", lifecycle: .inDoubt(since: nil),
      contact: Contact(seenAt: Date(), source: "conformance"), submittedAt: Date())
    job.outputPath = connector.outputPath(of: spec, token: token)
    job.input = spec.input
    if connector.has(.ownQueue) {
      job.resources = ResourceRequest(gpus: spec.gpusPerNode, cores: spec.coresPerNode, memory: spec.memoryPerNode)
    }
    return job
  }

  /// Submits a job as the engine does: written down first, then handed over, then known by its id.
  func submit(_ spec: JobSpec, archive: [UInt8]? = nil) async throws -> Job {
    _ = try connector.preview(spec)
    let job = job(spec)
    let mark = mark(spec, token: job.submissionToken)
    board.insert(job, JobPayload(spec, mark: mark.description), archive: archive)
    let id = try await connector.submit(spec, mark: mark)
    board.apply(.accepted(backendID: id, held: spec.held), to: job.id)
    return try current(job)
  }

  func current(_ job: Job) throws -> Job {
    guard let job = board.job(job.id) else { throw Deviation("the suite lost a job") }
    return job
  }

  /// Cancels a job; where jobs wait in the queue of the connector's own, that it is to end is written down first.
  func cancel(_ job: Job) async throws {
    let change = JobChange.cancelRequested(reason: "canceled by the suite")
    if connector.has(.ownQueue) { board.apply(change, to: job.id) }
    try await connector.cancel(try current(job))
    board.apply(change, to: job.id)
  }

  func release(_ job: Job) async throws {
    try await connector.releasing.release(try current(job))
    board.apply(.released, to: job.id)
  }

  /// Whether the output of a job is what its script printed, or has that in it where the connector adds lines of its own.
  func isPrinted(_ printed: [UInt8], in output: [UInt8]) -> Bool {
    subject.isJudgedByOutput ? output.firstRange(of: printed) != nil : output == printed
  }

  /// The exit code of a job whose script ended with a code other than 0.
  func exitCode(ofFailure code: Int) -> Int { subject.isJudgedByOutput ? 1 : code }

  // MARK: Waiting

  /// The job once it is in a state, which must be before it ends.
  func reach(_ state: JobState, of job: Job) async throws -> Job {
    try await wait(for: job, "be \(state.rawValue)", passing: .milliseconds(100)) { job in
      if job.state == state { return true }
      try expect(!job.state.isTerminal, "it ended as \(job.state.rawValue) without having been \(state.rawValue)")
      return false
    }
  }

  /// The job once it has ended and its exit code is known, which may be later only where the connector says so.
  func end(of job: Job, exitCode: Bool = true) async throws -> Job {
    let isDelayed = connector.has(.delayedExitCodes)
    return try await wait(for: job, "end", passing: .seconds(60)) { job in
      guard job.state.isTerminal else { return false }
      return !exitCode || !isDelayed || job.outcome?.exitCode != nil || job.outcome?.signal != nil
    }
  }

  /// - Parameter time: what passes between two looks where the test drives the clock.
  private func wait(
    for job: Job, _ verb: String, passing time: Duration, _ isSo: (Job) throws -> Bool
  ) async throws -> Job {
    let deadline = ContinuousClock.now + subject.patience
    while true {
      let job = try current(job)
      if try isSo(job) { return job }
      guard ContinuousClock.now < deadline else {
        let failure = pollFailure.withLock { $0 }.map { "; the last poll failed: \($0)" } ?? ""
        throw Deviation(
          "it did not \(verb) in \(subject.patience.components.seconds) s: it is \(job.state.rawValue)"
            + (job.reason.isEmpty ? "" : ", \(job.reason)") + failure)
      }
      subject.passTime(time)
      try await Task.sleep(for: .milliseconds(30))
    }
  }

  /// Waits until something holds that no report says.
  func wait(until sentence: String, _ isSo: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + subject.patience
    while try await !isSo() {
      try expect(ContinuousClock.now < deadline, "not in \(subject.patience.components.seconds) s: \(sentence)")
      try await Task.sleep(for: .milliseconds(100))
    }
  }
}

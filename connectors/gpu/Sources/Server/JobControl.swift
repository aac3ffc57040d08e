import ConnectorAPI
import JobModel
import ScriptTemplates
import Support

/// Tells the jobs of a server to end, and sends them signals.
actor JobControl {
  private let shell: ServerShell
  private let isStarting: @Sendable (JobID) -> Bool
  private let grace: Duration
  private let wakeup: Wakeup
  /// When a job was last told to end.
  private var canceled: [JobID: ContinuousClock.Instant] = [:]
  /// The jobs that are being told to end.
  private var canceling: [JobID: Task<Result<CancelAnswer, BackendError>, Never>] = [:]

  /// - Parameters:
  ///   - grace: from TERM to KILL.
  ///   - wakeup: signalled when the server is to be looked at soon.
  ///   - isStarting: whether the start of a job is under way, which is not told to end then.
  init(_ shell: ServerShell, grace: Duration, wakeup: Wakeup, isStarting: @escaping @Sendable (JobID) -> Bool) {
    self.shell = shell
    self.grace = grace
    self.wakeup = wakeup
    self.isStarting = isStarting
  }

  /// Tells a job to end. The job's own wrapper sees to it, from TERM to KILL, and writes it down when nothing is left. While
  /// the server is being asked, others wait for that answer.
  func cancel(_ job: Job) async throws(BackendError) {
    guard !isStarting(job.id) else { return }
    let task = canceling[job.id] ?? Task { await self.asked(to: job) }
    canceling[job.id] = task
    _ = try await task.value.get()
  }

  private func asked(to job: Job) async -> Result<CancelAnswer, BackendError> {
    defer { canceling[job.id] = nil }
    do throws(BackendError) {
      let answer = try await askToCancel(job)
      switch answer {
      case .asked, .elsewhere: canceled[job.id] = .now
      case .over, .absent, .void: wakeup.signal()
      }
      return .success(answer)
    } catch {
      return .failure(error)
    }
  }

  /// Tells a job to end that lives though it was told to, unless that was lately.
  func repeatCancel(_ job: Job) async {
    guard canceling[job.id] == nil, canceled[job.id].map({ .now - $0 > grace * 2 }) ?? true else { return }
    try? await cancel(job)
  }

  /// Forgets all jobs but these.
  func keep(_ jobs: Set<JobID>) { canceled = canceled.filter { jobs.contains($0.key) } }

  private func askToCancel(_ job: Job) async throws(BackendError) -> CancelAnswer {
    let facts = try shell.ready()
    let grace = String(max(1, grace.components.seconds))
    let result = try await shell.ended(
      GPUScript.cancel,
      [
        facts.root, job.submissionToken, String(job.attempt), grace, GPUScript.wrapperHash, facts.machine,
        GPUScript.wrapperSum,
      ])
    do throws(BackendError) {
      let output = try shell.succeeded(result).stdout
      return try shell.understood { () throws(MalformedAnswer) in try CancelAnswer(output) }
    } catch {
      // The server was reached: a job may have written to the scripts there.
      _ = try? await shell.prepareRoot()
      throw error
    }
  }

  /// Sends a signal to all processes of a job.
  func signal(_ job: Job, _ signal: String) async throws(BackendError) {
    let facts = try shell.ready()
    let result = try await shell.run(
      GPUScript.signal, [facts.root, job.submissionToken, String(job.attempt), signal, facts.machine])
    let answer = try shell.understood { () throws(MalformedAnswer) in try SignalAnswer(result.stdout) }
    wakeup.signal()
    switch answer {
    case .done: break
    case .over: throw .refused("the job has ended")
    case .absent: throw .notFound("\(shell.name) does not have the job yet")
    }
  }
}

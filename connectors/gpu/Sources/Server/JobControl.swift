import JobModel
import Jobs
import ScriptTemplates

/// Tells the jobs of a server to end, and sends them signals.
actor JobControl {
  private let shell: ServerShell
  private let isStarting: @Sendable (JobID) -> Bool
  private let grace: Duration
  private let wakeup: Wakeup
  /// When a job was last told to end.
  private var canceled: [JobID: ContinuousClock.Instant] = [:]
  /// The jobs that are being told to end.
  private var canceling: Set<JobID> = []

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

  /// Tells a job to end. The job's own wrapper sees to it, from TERM to KILL, and writes it down when nothing is left.
  func cancel(_ job: Job) async throws(BackendError) {
    // One that is being asked for, or has its grace, is enough; if it fails, the next sweep repeats it.
    guard !isStarting(job.id), !wasTold(job.id, within: grace), canceling.insert(job.id).inserted else { return }
    defer { canceling.remove(job.id) }
    canceled[job.id] = .now
    do throws(BackendError) {
      switch try await askToCancel(job) {
      case .asked, .elsewhere: break
      case .over, .absent, .void: wakeup.signal()
      }
    } catch {
      canceled[job.id] = nil
      throw error
    }
  }

  /// Tells a job to end that lives though it was told to, unless that was lately.
  func repeatCancel(_ job: Job) async {
    guard !wasTold(job.id, within: grace * 2) else { return }
    try? await cancel(job)
  }

  private func wasTold(_ job: JobID, within time: Duration) -> Bool {
    canceled[job].map { .now - $0 <= time } ?? false
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

import ConnectorAPI
import Foundation
import JobModel
import Logging
import ScriptTemplates
import Shell
import Support

/// Starts the jobs that were given one server, and gives up starts of which nothing has begun.
actor JobStarter {
  /// What is known of a start.
  enum StartOutcome {
    /// It runs.
    case started
    /// It does not: it has gone back to the queue, or has failed.
    case settled
    /// Only a sweep can tell.
    case unknown
  }

  /// What a start needs of the server and reports to.
  struct Context: Sendable {
    let shell: ServerShell
    let spec: Shared<ServerSpec>
    let status: Shared<ServerStatus>
    let board: any JobBoard
    let root: RootOwnership
    let contact: ServerContact
    let history: AttemptHistory
    let reader: AttemptReader
    let wakeup: Wakeup
    let configuration: GPUConnector.Configuration
    let logger: Logger
    /// Called when the server may be used again.
    let onChange: @Sendable () -> Void
  }

  private let context: Context
  private let stager: InputStager
  private var failures: StartFailures
  /// Since when something of a job cannot be read on this machine.
  private var unreadable: [JobID: ContinuousClock.Instant] = [:]
  private nonisolated let underWay = Shared<Set<JobID>>([])

  private nonisolated var board: any JobBoard { context.board }
  private nonisolated var name: String { context.shell.name }
  private nonisolated var logger: Logger { context.logger }

  init(_ context: Context) {
    self.context = context
    stager = InputStager(shell: context.shell, board: context.board)
    failures = StartFailures(most: context.configuration.startFailures, quarantine: context.configuration.quarantine)
  }

  /// The jobs that are being started, or given up.
  nonisolated var starting: Set<JobID> { underWay.value }

  nonisolated func isStarting(_ job: JobID) -> Bool { underWay.value.contains(job) }

  // MARK: Starting

  /// Starts a job that was given this server. What certainly did not start goes back to its place in the queue; whether
  /// what may have started did, the next sweep tells.
  /// - Returns: nil if there is nothing to start, or somebody does it already.
  func start(_ placed: Job) async -> StartOutcome? {
    // A cancel asks first whether it is under way: so the job is read after that is noted.
    guard underWay.change({ $0.insert(placed.id).inserted }) else { return nil }
    defer { underWay.change { _ = $0.remove(placed.id) } }
    guard let job = board.job(placed.id), job.attempt == placed.attempt, job.nodes == [name],
      job.state == .starting || job.state == .canceling
    else { return nil }
    return await tryToStart(job)
  }

  private func tryToStart(_ job: Job) async -> StartOutcome {
    // One that is to be canceled may have been sent before this Weir was started: a sweep tells.
    guard job.state == .starting else { return .unknown }
    guard let facts = context.status.value.facts else {
      await putBack(job, "\(name): \(context.status.value.failure ?? "is not ready")")
      return .settled
    }
    guard let payload = await payload(of: job) else { return .settled }
    Checkpoint.reach("start.begun")
    let input: String
    do throws(StagingError) { input = try await stager.stage(job, payload, root: facts.root) } catch {
      return await failedToStage(job, error)
    }
    unreadable[job.id] = nil
    let attempt = StartCommand(
      job: job, payload: payload, spec: context.spec.value, root: facts.root, machine: facts.machine, input: input,
      owner: context.root.nextRecord())
    switch await send(attempt) {
    case .answered(let answer): return await take(answer, of: attempt)
    case .failed(let outcome): return outcome
    }
  }

  /// The texts of a job; nil, with the job put back or ended, if they cannot be read.
  private func payload(of job: Job) async -> JobPayload? {
    do throws(PayloadError) { return try await board.payload(of: job) } catch {
      switch error {
      case .lost(let reason):
        logger.error("\(job.key): it cannot be started and fails: \(reason)")
        await board.fail(job, reason: reason)
      case .unreadable: await cannotRead(job, "its script cannot be read: \(error)", patience: nil)
      }
      return nil
    }
  }

  private func failedToStage(_ job: Job, _ error: StagingError) async -> StartOutcome {
    // A cancel in the meantime is followed by the next look.
    guard stager.isStillWanted(job) else { return .unknown }
    switch error {
    case .unreachable(let reason): await cannotReach(job, reason)
    case .server(let reason): await failedToStart(job, reason, putsBack: true)
    case .archive(let reason): await board.fail(job, reason: reason)
    case .unreadable(let reason): await cannotRead(job, reason, patience: .seconds(60))
    }
    return .settled
  }

  /// What start.sh has said; or what is known of a start that it has not answered, which has been seen to.
  private enum Answer {
    case answered(StartAnswer)
    case failed(StartOutcome)
  }

  /// Has the server start an attempt.
  private func send(_ attempt: StartCommand) async -> Answer {
    let job = attempt.job
    let result: CommandResult
    do throws(RunError) {
      result = try await context.shell.runner.run(
        attempt.command(grace: context.configuration.grace), as: context.shell.account, stdin: attempt.texts,
        limits: .init(), timeout: .seconds(30))
    } catch {
      guard error.mayHaveRun else {
        stager.drop(attempt.input, of: job)
        await cannotReach(job, error.description)
        return .failed(.settled)
      }
      logger.warning("\(job.key): its start is in doubt: \(error)")
      return .failed(.unknown)
    }
    Checkpoint.reach("start.answered")
    guard result.succeeded else {
      // With one of these it says that nothing of the attempt is left; else it was ended in the middle of it.
      let isCertain = [73, 74].contains(result.exitStatus)
      if isCertain { stager.drop(attempt.input, of: job) }
      await failedToStart(job, result.message, putsBack: isCertain)
      return .failed(isCertain ? .settled : .unknown)
    }
    do throws(MalformedAnswer) { return .answered(try StartAnswer(result.stdout)) } catch {
      logger.error("\(job.key): \(error)")
      return .failed(.unknown)
    }
  }

  private func take(_ answer: StartAnswer, of attempt: StartCommand) async -> StartOutcome {
    let job = attempt.job
    if case .started = answer {} else { stager.drop(attempt.input, of: job) }
    switch answer {
    case .started(let record):
      failures.end()
      context.history.noteRun(of: job.attemptID, on: attempt.machine)
      await report(job, record)
      Checkpoint.reach("start.written")
      return .started
    case .exists, .busy: return .unknown
    case .owned(let host):
      await putBack(job, "\(name): its job root is in use by Weir on \(host)")
      context.wakeup.signal()
    case .void: await putBack(job, "\(name): its start was given up", asNextAttempt: true)
    case .removed:
      logger.error("\(job.key): its directory on the server was removed before it ran")
      await putBack(job, "\(name): its directory was removed", asNextAttempt: true)
      quarantine("\(job.key) was removed there before it ran")
    }
    return .settled
  }

  /// Reports that a job runs.
  private func report(_ job: Job, _ record: StartRecord) async {
    let report = context.reader.report(of: job, .running(record), now: record.time ?? Date())
    await board.report(report.map { [job.id: $0] } ?? [:], at: Date())
  }

  private func putBack(_ job: Job, _ reason: String, asNextAttempt: Bool = false) async {
    await board.putBack(job, reason: reason, asNextAttempt: asNextAttempt)
  }

  // MARK: Failing

  /// The server was not reached, which is no failure to start a job.
  private func cannotReach(_ job: Job, _ reason: String) async {
    context.contact.lost(reason)
    context.wakeup.signal()
    await putBack(job, "\(name): \(reason)")
  }

  /// Something of the job cannot be read on this machine right now.
  /// - Parameter patience: for how long it is tried before the job fails, so that it does not hold up the others; nil
  ///   when it is the store that cannot be read, which holds up all.
  private func cannotRead(_ job: Job, _ reason: String, patience: Duration?) async {
    logger.error("\(job.key): \(reason)")
    let since = unreadable[job.id] ?? .now
    unreadable[job.id] = since
    if let patience, .now - since > patience {
      unreadable[job.id] = nil
      await board.fail(job, reason: reason)
      return
    }
    try? await Task.sleep(for: .seconds(1))
    await putBack(job, reason)
  }

  /// The server could not start a job, which is no fault of the job's. After the third time in a row it gets no new jobs
  /// for a while.
  private func failedToStart(_ job: Job, _ reason: String, putsBack: Bool) async {
    logger.warning("\(job.key): the server could not start it: \(reason)")
    if let repaired = try? await context.shell.prepareRoot().repaired, !repaired.isEmpty {
      // A job has done that, which must not take the server out of service for the others.
      logger.warning("files of the job root were changed and are written again: \(repaired.joined(separator: ", "))")
      try? await Task.sleep(for: .seconds(1))
    } else if failures.add() {
      quarantine(reason)
    }
    guard putsBack else { return }
    await putBack(job, "\(name) could not start it: \(reason)")
  }

  private func quarantine(_ reason: String) {
    let pause = failures.quarantine()
    context.status.change { status in
      status.quarantine = (
        .now + pause, "it could not start jobs and is given none for \(pause.components.seconds) s: \(reason)"
      )
    }
    logger.error("the server is given no jobs for \(pause.components.seconds) s: \(reason)")
    Task {
      try? await Task.sleep(for: pause)
      context.onChange()
    }
  }

  // MARK: Giving up

  /// Gives an attempt up that has begun nothing, so that nothing of it ever can.
  func void(_ job: Job) async {
    let shell = context.shell
    guard context.status.value.foreignOwner == nil, underWay.change({ $0.insert(job.id).inserted }) else { return }
    defer { underWay.change { _ = $0.remove(job.id) } }
    let answer: StartAnswer
    do throws(BackendError) {
      let facts = try shell.ready()
      let result = try await shell.run(
        GPUScript.void, [facts.root, job.submissionToken, String(job.attempt), facts.machine])
      answer = try shell.understood { () throws(MalformedAnswer) in try StartAnswer(result.stdout, of: "void.sh") }
    } catch {
      return logger.warning("\(job.key): its start cannot be given up yet: \(error)")
    }
    switch answer {
    case .void: await putBack(job, "\(name): its start was given up", asNextAttempt: true)
    case .started(let record): await report(job, record)
    case .exists, .removed: context.wakeup.signal()
    case .busy, .owned: logger.warning("\(job.key): its start cannot be given up: processes of it are alive")
    }
  }
}

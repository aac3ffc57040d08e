import Foundation
import JobModel
import Jobs
import ScriptTemplates
import Shell

extension ServerAgent {
  /// Starts a job that was given this server. What certainly did not start goes back to its place in the queue; whether
  /// what may have started did, the next sweep tells.
  func start(_ placed: Job) async {
    guard let job = board.job(placed.id), job.attempt == placed.attempt, job.nodes == [name],
      job.state == .starting || job.state == .canceling, starting.insert(job.id).inserted
    else { return }
    let isSettled = await tryToStart(job)
    starting.remove(job.id)
    if earlyHints.remove(job.attemptID) != nil { noteEnd(of: job.attemptID) } else if !isSettled { poke() }
  }

  /// - Returns: whether it is known what became of it.
  private func tryToStart(_ job: Job) async -> Bool {
    // One that is to be canceled may have been sent before this Weir was started: a sweep tells.
    guard job.state == .starting else { return false }
    guard let facts = status.value.facts else {
      await board.putBack(job, reason: "\(name): \(status.value.failure ?? "is not ready")", asNextAttempt: false)
      return true
    }
    let payload: JobBoard.Payload
    do throws(PayloadError) { payload = try await board.payload(of: job) } catch {
      switch error {
      case .lost(let reason):
        logger.error("\(job.key): it cannot be started and fails: \(reason)")
        await board.fail(job, reason: reason)
      case .unreadable: await cannotRead(job, "its script cannot be read: \(error)", patience: nil)
      }
      return true
    }
    Checkpoint.reach("start.begun")
    let input: String
    do throws(StagingError) { input = try await stage(job, payload, root: facts.root) } catch {
      // A cancel in the meantime is followed by the next look.
      guard isStillWanted(job) else { return false }
      switch error {
      case .unreachable(let reason): await cannotReach(job, reason)
      case .server(let reason): await failedToStart(job, reason, putsBack: true)
      case .archive(let reason): await board.fail(job, reason: reason)
      case .unreadable(let reason): await cannotRead(job, reason, patience: .seconds(60))
      }
      return true
    }
    unreadable[job.id] = nil
    let attempt = Attempt(
      job: job, payload: payload, spec: spec.value, root: facts.root, machine: facts.machine, input: input,
      owner: rootClaim.next(configuration.owner))
    let result: CommandResult
    do throws(RunError) {
      result = try await runner.value.run(
        attempt.command(grace: configuration.grace), as: account, stdin: attempt.texts, limits: .init(),
        timeout: .seconds(30))
    } catch {
      guard error.mayHaveRun else {
        dropInput(of: job, at: input)
        await cannotReach(job, error.description)
        return true
      }
      logger.warning("\(job.key): its start is in doubt: \(error)")
      return false
    }
    Checkpoint.reach("start.answered")
    guard result.succeeded else {
      // With one of these it says that nothing of the attempt is left; else it was ended in the middle of it.
      let isCertain = [73, 74].contains(result.exitStatus)
      if isCertain { dropInput(of: job, at: input) }
      await failedToStart(job, result.message, putsBack: isCertain)
      return isCertain
    }
    let answer: StartAnswer
    do throws(MalformedAnswer) { answer = try StartAnswer(result.stdout) } catch {
      logger.error("\(job.key): \(error)")
      return false
    }
    if case .started = answer {} else { dropInput(of: job, at: input) }
    switch answer {
    case .started(let record):
      (startFailures, quarantines) = (0, 0)
      ranOn[job.attemptID] = facts.machine
      let sighting = sighting(of: job, .running(record), now: record.time ?? Date())
      await board.report(sighting.map { [job.id: $0] } ?? [:], at: Date())
      Checkpoint.reach("start.written")
      if board.job(job.id)?.state == .canceling { Task { try? await cancel(job) } }
      return true
    case .exists, .busy: return false
    case .owned(let host):
      await board.putBack(job, reason: "\(name): its job root is in use by Weir on \(host)", asNextAttempt: false)
      poke()
      return true
    case .void:
      await board.putBack(job, reason: "\(name): its start was given up", asNextAttempt: true)
      return true
    case .removed:
      logger.error("\(job.key): its directory on the server was removed before it ran")
      await board.putBack(job, reason: "\(name): its directory was removed", asNextAttempt: true)
      quarantine("\(job.key) was removed there before it ran")
      return true
    }
  }

  /// The server was not reached, which is no failure to start a job.
  private func cannotReach(_ job: Job, _ reason: String) async {
    lost(reason)
    poke()
    await board.putBack(job, reason: "\(name): \(reason)", asNextAttempt: false)
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
    await board.putBack(job, reason: reason, asNextAttempt: false)
  }

  /// The server could not start a job, which is no fault of the job's. After the third time in a row it gets no new jobs
  /// for a while.
  private func failedToStart(_ job: Job, _ reason: String, putsBack: Bool) async {
    logger.warning("\(job.key): the server could not start it: \(reason)")
    if let repaired = try? await prepareRoot().repaired, !repaired.isEmpty {
      // A job has done that, which must not take the server out of service for the others.
      logger.warning("files of the job root were changed and are written again: \(repaired.joined(separator: ", "))")
      try? await Task.sleep(for: .seconds(1))
    } else {
      startFailures += 1
      if startFailures >= configuration.startFailures { quarantine(reason) }
    }
    guard putsBack else { return }
    await board.putBack(job, reason: "\(name) could not start it: \(reason)", asNextAttempt: false)
  }

  private func quarantine(_ reason: String) {
    // The first job after it is the last one, if it fails again.
    startFailures = configuration.startFailures - 1
    let pause = min(Duration.seconds(3600), configuration.quarantine * (1 << min(quarantines, 6)))
    quarantines += 1
    status.change { status in
      status.quarantine = (
        .now + pause, "it could not start jobs and is given none for \(pause.components.seconds) s: \(reason)"
      )
    }
    logger.error("the server is given no jobs for \(pause.components.seconds) s: \(reason)")
    Task {
      try? await Task.sleep(for: pause)
      onChange()
    }
  }

  /// Gives an attempt up that has begun nothing, so that nothing of it ever can.
  func void(_ job: Job) async {
    guard status.value.foreignOwner == nil, starting.insert(job.id).inserted else { return }
    defer { starting.remove(job.id) }
    let answer: StartAnswer
    do throws(BackendError) {
      let facts = try ready()
      let result = try await run(
        GPUScript.void, [facts.root, job.submissionToken, String(job.attempt), facts.machine])
      answer = try understood { () throws(MalformedAnswer) in try StartAnswer(result.stdout, of: "void.sh") }
    } catch {
      return logger.warning("\(job.key): its start cannot be given up yet: \(error)")
    }
    switch answer {
    case .void: await board.putBack(job, reason: "\(name): its start was given up", asNextAttempt: true)
    case .started(let record):
      if let sighting = sighting(of: job, .running(record), now: record.time ?? Date()) {
        await board.report([job.id: sighting], at: Date())
      }
    case .exists, .removed: poke()
    case .busy, .owned: logger.warning("\(job.key): its start cannot be given up: processes of it are alive")
    }
  }
}

/// One attempt as its server is told of it.
struct Attempt {
  let job: Job
  let payload: JobBoard.Payload
  let spec: ServerSpec
  let root: String
  let machine: String
  /// Where its unpacked archive is, below `inputs`; empty without one.
  let input: String
  /// Who starts it; see ``RootOwner``.
  let owner: String

  private var submission: Submission { payload.submission }

  /// - Parameter grace: from TERM to KILL.
  func command(grace: Duration) throws(RunError) -> Command {
    let hasSecrets = submission.entryPoint == nil && submission.script != submission.shownScript
    let arguments = [
      root, GPUScript.wrapperHash, job.submissionToken, String(job.attempt), hasSecrets ? "1" : "0",
      String(submission.timeLimitSeconds ?? 0), String(max(1, grace.components.seconds)),
      submission.isJudgedByOutput ? "1" : "0", submission.joinsOutput ? "1" : "0", machine, owner,
      GPUScript.wrapperSum,
    ]
    do { return try Command.script(GPUScript.start, arguments, startsJob: true) } catch {
      throw .unavailable("\(error)")
    }
  }

  /// What start.sh reads from its standard input.
  var texts: [UInt8] {
    let texts = [
      ("job", about), ("environment", environment), ("preamble", spec.preamble), ("epilogue", spec.epilogue),
      ("place", place), ("script", submission.entryPoint == nil ? submission.script : GPUScript.entryPoint),
      ("shown", submission.shownScript), ("input", input),
    ]
    var bytes: [UInt8] = []
    for (name, text) in texts { bytes += "\(name)=\(ShellQuoting.quote(text))\n".utf8 }
    return bytes + "complete=1\n".utf8
  }

  /// What the job is, for a Weir whose store was lost.
  private var about: String {
    let lines = [
      "mark \(payload.mark)", "name \(job.name)", "account \(job.account)",
      "submitted \(Int(job.submittedAt.timeIntervalSince1970))",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  /// What it holds there.
  private var place: String {
    var lines = ["gpus \(indices)"]
    if job.devices.contains(where: { $0.uuid != nil }) {
      lines.append("uuids \(job.devices.map { $0.uuid ?? "" }.joined(separator: ","))")
    }
    if let needs = job.needs {
      lines.append("cores \(needs.cores)")
      if let memory = needs.memory { lines.append("memory \(memory)") }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private var indices: String { job.devices.map { String($0.index) }.joined(separator: ",") }

  private var environment: String {
    var variables = spec.environment.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    variables += submission.environment.map { ($0.name, $0.value) }
    variables += [
      // With this order CUDA's indices are nvidia-smi's.
      ("CUDA_DEVICE_ORDER", "PCI_BUS_ID"), ("CUDA_VISIBLE_DEVICES", indices), ("ROCR_VISIBLE_DEVICES", indices),
      ("HIP_VISIBLE_DEVICES", indices), ("BARE_GPU", indices), ("WEIR_GPUS", indices),
      ("WEIR_GPU_UUIDS", job.devices.compactMap(\.uuid).joined(separator: ",")), ("WEIR_JOB_NAME", job.name),
      ("WEIR_ATTEMPT", String(job.attempt)), ("PROCESS_PROCID", "0"), ("PROCESS_NODENAME", spec.name),
      ("JOB_JOBID", job.submissionToken), ("JOB_JOB_NODELIST", spec.name), ("JOB_JOB_FORMATED_NODELIST", spec.name),
      ("JOB_NNODES", "1"), ("JOB_NTASKS", "1"), ("JOB_GPUS_PER_NODE", String(submission.gpusPerNode)),
    ]
    if let entryPoint = submission.entryPoint { variables.append(("WEIR_ENTRYPOINT", entryPoint)) }
    return variables.map { "export \($0)=\(ShellQuoting.quote($1))\n" }.joined()
  }
}

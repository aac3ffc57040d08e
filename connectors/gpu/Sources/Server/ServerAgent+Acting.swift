import ConnectorSupport
import Foundation
import JobModel
import Jobs
import ScriptTemplates
import Shell

extension ServerAgent {
  // MARK: Acting on a job

  /// Tells a job to end. The job's own wrapper sees to it, from TERM to KILL, and writes it down when nothing is left.
  func cancel(_ job: Job) async throws(BackendError) {
    guard !starting.contains(job.id) else { return }
    canceled[job.id] = .now
    do throws(BackendError) {
      switch try await askToCancel(job) {
      case .asked, .elsewhere: break
      case .over, .absent, .void: poke()
      }
    } catch {
      canceled[job.id] = nil
      throw error
    }
  }

  private func askToCancel(_ job: Job) async throws(BackendError) -> CancelAnswer {
    let facts = try ready()
    let grace = String(max(1, configuration.grace.components.seconds))
    let result = try await ended(
      GPUScript.cancel,
      [
        facts.root, job.submissionToken, String(job.attempt), grace, GPUScript.wrapperHash, facts.machine,
        GPUScript.wrapperSum,
      ])
    do throws(BackendError) {
      let output = try succeeded(result).stdout
      return try understood { () throws(MalformedAnswer) in try CancelAnswer(output) }
    } catch {
      // The server was reached: a job may have written to the scripts there.
      _ = try? await prepareRoot()
      throw error
    }
  }

  /// Sends a signal to all processes of a job.
  func signal(_ job: Job, _ signal: String) async throws(BackendError) {
    let answer = try await act(GPUScript.signal, job, [signal, try ready().machine]) { output throws(MalformedAnswer) in
      try SignalAnswer(output)
    }
    poke()
    switch answer {
    case .done: break
    case .over: throw .refused("the job has ended")
    case .absent: throw .notFound("\(name) does not have the job yet")
    }
  }

  /// - Parameter keepingWork: whether the files of the job stay, and only the rest goes.
  func remove(_ job: Job, keepingWork: Bool) async throws(BackendError) {
    let facts = try ready()
    if let owner = status.value.foreignOwner { throw .unavailable("\(name): \(owner)") }
    let result = try await run(
      GPUScript.remove, [facts.root, job.submissionToken, facts.machine] + (keepingWork ? ["work"] : []),
      timeout: .seconds(300))
    let answer = try understood { () throws(MalformedAnswer) in try RemoveAnswer(result.stdout) }
    if answer == .busy { throw .refused("\(name): processes of the job still run") }
  }

  func output(_ job: Job, stream: String, bytes: Int, lines: Int) async throws(BackendError) -> [UInt8] {
    try await run(
      GPUScript.output,
      [try root(), job.submissionToken, String(job.attempt), stream, String(bytes), String(max(1, lines))],
      limit: bytes + 1024
    ).stdout
  }

  /// Bytes of what a job has printed; nil when there is no such file.
  func outputSize(_ job: Job, stream: String) async throws(BackendError) -> Int? {
    let result = try await run(
      GPUScript.size, [try root(), job.submissionToken, String(job.attempt), stream], limit: 1024)
    let words = String(decoding: result.stdout, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    return words.first.flatMap { MachineNumber.count($0, upTo: 1 << 62) }
  }

  func describe(_ job: Job) async throws(BackendError) -> String {
    let result = try await run(GPUScript.describe, [try root(), job.submissionToken, String(job.attempt)])
    return String(decoding: result.stdout, as: UTF8.self)
  }

  /// What lies in a directory of the server; see ``Connector/list(_:account:roots:)``.
  func list(_ path: String, roots: [String]) async throws(BackendError) -> [DirectoryEntry] {
    let command = try Listing.command(path, roots: roots)
    let result: CommandResult
    do throws(RunError) {
      result = try await runner.value.run(
        command, as: account, stdin: [], limits: .init(), timeout: .seconds(20), purpose: .action)
    } catch {
      throw .unavailable("\(name): \(error)")
    }
    return try Listing.entries(of: path, result)
  }

  private func act<Answer>(
    _ script: ScriptText, _ job: Job, _ arguments: [String],
    _ read: ([UInt8]) throws(MalformedAnswer) -> Answer
  ) async throws(BackendError) -> Answer {
    let result = try await run(script, [try root(), job.submissionToken, String(job.attempt)] + arguments)
    return try understood { () throws(MalformedAnswer) in try read(result.stdout) }
  }

  // MARK: Running scripts

  /// Makes the job root of the server ready, and writes again what somebody has changed of Weir's scripts there.
  func prepareRoot() async throws(BackendError) -> PrepareAnswer {
    let result = try await run(
      GPUScript.prepare, [spec.value.root, GPUScript.wrapperHash, name], stdin: Array(GPUScript.wrapper.utf8))
    return try understood { () throws(MalformedAnswer) in try PrepareAnswer(result.stdout) }
  }

  /// The account that jobs run as there.
  var account: String { spec.value.login?.user ?? LocalRunner.account }

  /// What was found on the server.
  func ready() throws(BackendError) -> PrepareAnswer {
    guard let facts = status.value.facts else {
      throw .unavailable("\(name): \(status.value.failure ?? "is being prepared")")
    }
    return facts
  }

  func root() throws(BackendError) -> String { try ready().root }

  /// Runs one of our scripts; it succeeds, or it is an error.
  func run(
    _ script: ScriptText, _ arguments: [String], stdin: [UInt8] = [], timeout: Duration = .seconds(20),
    purpose: CommandPurpose = .action, limit: Int = 16 << 20
  ) async throws(BackendError) -> CommandResult {
    try succeeded(
      await ended(script, arguments, stdin: stdin, timeout: timeout, purpose: purpose, limit: limit))
  }

  /// Runs one of our scripts to its end, whatever that is.
  private func ended(
    _ script: ScriptText, _ arguments: [String], stdin: [UInt8] = [], timeout: Duration = .seconds(20),
    purpose: CommandPurpose = .action, limit: Int = 16 << 20
  ) async throws(BackendError) -> CommandResult {
    var limits = OutputLimits()
    limits.stdout = limit
    do throws(RunError) {
      let command: Command
      do { command = try Command.script(script, arguments) } catch { throw .unavailable("\(error)") }
      return try await runner.value.run(
        command, as: account, stdin: stdin, limits: limits, timeout: timeout, purpose: purpose)
    } catch {
      throw error.mayHaveRun ? .interrupted("\(name): \(error)") : .unavailable("\(name): \(error)")
    }
  }

  private func succeeded(_ result: CommandResult) throws(BackendError) -> CommandResult {
    guard result.succeeded else {
      let words = result.message.isEmpty ? "status \(result.exitStatus)" : result.message
      throw .unavailable("\(name): \(words)")
    }
    guard !result.stdoutTruncated else { throw .unavailable("\(name): its output is too large") }
    return result
  }

  /// An answer that is not understood says nothing.
  func understood<Answer>(_ read: () throws(MalformedAnswer) -> Answer) throws(BackendError) -> Answer {
    do { return try read() } catch { throw .unavailable("\(name): \(error)") }
  }
}

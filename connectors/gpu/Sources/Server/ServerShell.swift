import ConnectorAPI
import ScriptTemplates
import Shell

/// Runs Weir's scripts on one server, as the account that its jobs run as.
final class ServerShell: Sendable {
  let name: String
  private let spec: Shared<ServerSpec>
  private let status: Shared<ServerStatus>
  private let connection: Shared<any Runner>

  init(_ spec: Shared<ServerSpec>, status: Shared<ServerStatus>, runner: any Runner) {
    name = spec.value.name
    self.spec = spec
    self.status = status
    connection = Shared(runner)
  }

  /// What runs commands there now.
  var runner: any Runner { connection.value }

  /// Runs commands by another runner from now on.
  func use(_ runner: any Runner) { connection.change { $0 = runner } }

  /// The account that jobs run as there.
  var account: String { spec.value.login?.user ?? LocalRunner.account }

  /// What was found on the server.
  func ready() throws(BackendError) -> PrepareAnswer {
    let status = status.value
    guard let facts = status.facts else {
      throw .unavailable("\(name): \(status.failure ?? "is being prepared")")
    }
    return facts
  }

  func root() throws(BackendError) -> String { try ready().root }

  /// Makes the job root of the server ready, and writes again what somebody has changed of Weir's scripts there.
  func prepareRoot() async throws(BackendError) -> PrepareAnswer {
    let result = try await run(
      GPUScript.prepare, [spec.value.root, GPUScript.wrapperHash, name], stdin: Array(GPUScript.wrapper.utf8))
    return try understood { () throws(MalformedAnswer) in try PrepareAnswer(result.stdout) }
  }

  /// Runs one of our scripts; it succeeds, or it is an error.
  func run(
    _ script: ScriptText, _ arguments: [String], stdin: [UInt8] = [], timeout: Duration = .seconds(20),
    purpose: CommandPurpose = .action, limit: Int = 16 << 20
  ) async throws(BackendError) -> CommandResult {
    try succeeded(
      await ended(script, arguments, stdin: stdin, timeout: timeout, purpose: purpose, limit: limit))
  }

  /// Runs one of our scripts to its end, whatever that is.
  func ended(
    _ script: ScriptText, _ arguments: [String], stdin: [UInt8] = [], timeout: Duration = .seconds(20),
    purpose: CommandPurpose = .action, limit: Int = 16 << 20
  ) async throws(BackendError) -> CommandResult {
    var limits = OutputLimits()
    limits.stdout = limit
    do throws(RunError) {
      let command: Command
      do { command = try Command.script(script, arguments) } catch { throw .unavailable("\(error)") }
      return try await runner.run(
        command, as: account, stdin: stdin, limits: limits, timeout: timeout, purpose: purpose)
    } catch {
      throw error.mayHaveRun ? .interrupted("\(name): \(error)") : .unavailable("\(name): \(error)")
    }
  }

  /// The result of a script that succeeded and whose output is complete; else an error.
  func succeeded(_ result: CommandResult) throws(BackendError) -> CommandResult {
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

import Foundation
import JobModel
import Logging
import SSH
import Shell
import Support
import Testing

@testable import GPUConnector
@testable import JobEngine
@testable import JobStoreSQLite

/// A server that answers each command alike, and notes what it was asked.
final class FakeServer: StandInServer {
  let commands = Shared<[Command]>([])
  private let answer: String?
  private let exitStatus: Int32
  private let errors: String

  /// - Parameter answer: nil for a server that cannot be reached.
  init(_ answer: String?, exitStatus: Int32 = 0, errors: String = "") {
    self.answer = answer
    self.exitStatus = exitStatus
    self.errors = errors
  }

  func run(
    _ command: Command, as account: String, stdin: [UInt8], limits: OutputLimits, timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult {
    commands.change { $0.append(command) }
    guard let answer else { throw .unavailable("no route") }
    return CommandResult(
      exitStatus: exitStatus, stdout: Array((answer + "\n").utf8), stderr: Array(errors.utf8))
  }
}

/// A stand-in for a server: what a test does not say of it does nothing.
protocol StandInServer: Runner {}

extension StandInServer {
  var statusLines: [String] { [] }

  func stream(
    _ command: Command, as account: String, input: CommandInput, timeout: Duration?, purpose: CommandPurpose,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandResult { CommandResult(exitStatus: 0) }

  func upload(
    from chunks: @escaping @Sendable () async throws -> [UInt8]?, to path: String, mode: Int32, as account: String,
    timeout: Duration?
  ) async throws {}

  func download(
    _ path: String, as account: String, timeout: Duration?,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {}
}

/// Servers that nobody serves, with a board of no jobs.
final class QuietFleet {
  let directory: URL
  let servers: [String: FakeServer]
  let fleet: Fleet
  private let service: JobService
  private let key: PrivateKey

  init(_ answers: [String: String?] = [:]) throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-fleet-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    _ = try shell("ssh-keygen -q -t ed25519 -N '' -f key", in: directory)
    key = try PrivateKey(text: String(contentsOf: directory.appendingPathComponent("key"), encoding: .utf8))
    let connector = try GPUConnector(
      .thisMachine(root: directory.path + "/root", gpus: 0), configuration: .init(), logger: .quiet)
    service = JobService(
      store: try SQLiteJobStore(directory: directory.path + "/state"), connector: connector, configuration: .init(),
      logger: .quiet)
    let servers = answers.mapValues { FakeServer($0) }
    self.servers = servers
    fleet = Fleet(board: service.board, configuration: .init(), logger: .quiet) {
      servers[$0.name] ?? FakeServer(nil)
    }
  }

  deinit { try? FileManager.default.removeItem(at: directory) }

  func spec(_ name: String, host: String = "h") -> ServerSpec {
    var spec = ServerSpec(name: name)
    spec.login = Login(host: host, port: 22, user: "weir", key: key)
    return spec
  }

  func job(on server: String?, attempt: Int = 1, outputPath: String? = nil) -> Job {
    var job = Job(
      id: "T", key: JobKey(name: "job", number: 1), owner: "kirby", account: "kirby", connector: "gpu",
      submissionToken: "T",
      fingerprint: "", lifecycle: .running,
      contact: Contact(seenAt: Date(), source: "queue"),
      attempt: Attempt(backendID: "T", outputPath: outputPath, nodes: server.map { [$0] } ?? []), submittedAt: Date())
    job.attempt = attempt
    return job
  }

  /// Has a server known as it is once it was made ready.
  func makeReady(_ name: String) throws {
    let facts = try PrepareAnswer.ofAServer()
    try #require(fleet.roster.controller(name)).status.change { $0.facts = facts }
  }
}

extension PrepareAnswer {
  /// What some server has answered when it was made ready.
  static func ofAServer() throws -> PrepareAnswer {
    let words = [
      "root /r", "now 1", "boot b", "cpus 1", "memory 1024", "host h", "arch a", "pax 1", "machine m@h-1",
    ]
    return try PrepareAnswer(Array(words.map { $0 + "\n" }.joined().utf8))
  }
}

extension ServerShell {
  /// The shell of a server `alpha`.
  convenience init(_ runner: any Runner, _ status: Shared<ServerStatus>) {
    self.init(Shared(ServerSpec(name: "alpha")), status: status, runner: runner)
  }
}

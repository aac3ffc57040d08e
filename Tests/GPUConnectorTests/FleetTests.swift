import Foundation
import JobModel
import Logging
import SSH
import Shell
import Support
import Testing

@testable import GPUConnector
@testable import Jobs

/// A server that answers each command alike, and notes what it was asked.
final class FakeServer: Runner {
  let commands = Shared<[Command]>([])
  private let answer: String?

  /// - Parameter answer: nil for a server that cannot be reached.
  init(_ answer: String?) { self.answer = answer }

  var statusLines: [String] { [] }

  func run(
    _ command: Command, as account: String, stdin: [UInt8], limits: OutputLimits, timeout: Duration,
    purpose: CommandPurpose
  ) async throws(RunError) -> CommandResult {
    commands.change { $0.append(command) }
    guard let answer else { throw .unavailable("no route") }
    return CommandResult(exitStatus: 0, stdout: Array((answer + "\n").utf8))
  }

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
private final class World {
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
      store: try JobStore(directory: directory.path + "/state"), connector: connector, configuration: .init(),
      logger: .quiet)
    let servers = answers.mapValues { FakeServer($0) }
    self.servers = servers
    fleet = Fleet(board: JobBoard(ledger: service.ledger), configuration: .init(), logger: .quiet) {
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
      id: "T", name: "job", number: 1, owner: "kirby", account: "kirby", connector: "gpu", submissionToken: "T",
      fingerprint: "", backendID: "T", outputPath: outputPath, lifecycle: .running,
      contact: Contact(seenAt: Date(), source: "queue"), nodes: server.map { [$0] } ?? [], submittedAt: Date())
    job.attempt = attempt
    return job
  }

  /// Has a server known as it is once it was made ready.
  func makeReady(_ name: String) throws {
    let words = [
      "root /r", "now 1", "boot b", "cpus 1", "memory 1024", "host h", "arch a", "pax 1", "machine m@h-1",
    ]
    let facts = try PrepareAnswer(Array(words.map { $0 + "\n" }.joined().utf8))
    try #require(fleet.roster.controller(name)).status.change { $0.facts = facts }
  }
}

extension Fleet {
  /// Takes other servers, and while that waits, as it does first, makes the controller of a job's earlier place.
  fileprivate func use(_ specs: [ServerSpec], meanwhileFinding job: Job) async -> ServerController? {
    let using = Task.immediate { await self.use(specs) }
    let found = home(of: job)
    await using.value
    return found
  }
}

@Suite("Servers and what is done on all of them") struct FleetTests {
  @Test("A controller that is made while the servers file is read is not lost")
  func madeMeanwhile() async throws {
    let world = try World()
    let fleet = world.fleet
    await fleet.use([world.spec("alpha", host: "first")])
    let running = world.job(on: "alpha")
    try #require(fleet.roster.controller("alpha")).jobs.change { $0[running.id] = running }
    let earlier = world.job(on: "alpha", outputPath: "alpha weir@[earlier]:22:.weir/jobs/T")
    let made = await fleet.use([world.spec("alpha", host: "second")], meanwhileFinding: earlier)
    #expect(made != nil && fleet.roster.members.contains { $0.controller === made })
    let hosts = fleet.roster.members.map { "\($0.controller.spec.value.login?.host ?? "") \($0.isListed)" }
    #expect(hosts == ["second true", "first false", "earlier false"])
  }

  @Test("What is left of a job is removed from all servers that can be reached, and the first failure is told")
  func removal() async throws {
    let world = try World(["alpha": nil, "beta": "removed", "gamma": "busy", "delta": "removed", "gone": nil])
    let fleet = world.fleet
    let names = ["alpha", "beta", "gamma", "delta"]
    await fleet.use((names + ["gone"]).map { world.spec($0) })
    for name in names { try world.makeReady(name) }
    await fleet.use(names.map { world.spec($0) })
    try #require(fleet.roster.controller("gone")).status.change { $0.failure = "no route" }
    func remove(_ job: Job, from home: String?) async -> String? {
      do throws(BackendError) {
        try await fleet.roster.remove(job, from: home.flatMap(fleet.roster.controller), keepingWork: false)
        return nil
      } catch { return error.description }
    }
    func asked() -> [String: Int] {
      world.servers.mapValues { server in
        server.commands.change { commands in
          defer { commands = [] }
          return commands.count
        }
      }
    }
    #expect(await remove(world.job(on: "beta"), from: "beta") == nil)
    #expect(asked() == ["alpha": 0, "beta": 1, "gamma": 0, "delta": 0, "gone": 0])
    let failure = await remove(world.job(on: "beta", attempt: 2), from: "beta")
    #expect(failure?.contains("alpha") == true)
    #expect(asked() == ["alpha": 1, "beta": 1, "gamma": 1, "delta": 1, "gone": 0])
    // Its own server is gone, or it has none.
    #expect(await remove(world.job(on: "gone", attempt: 2), from: nil)?.contains("alpha") == true)
    #expect(asked() == ["alpha": 1, "beta": 1, "gamma": 1, "delta": 1, "gone": 0])
    #expect(await remove(world.job(on: nil), from: nil) == nil)
    #expect(asked().values.allSatisfy { $0 == 0 })
  }

  @Test(
    "Sweeps take a fifth of the time, and are at most 20 s apart, so that no owner record seems left",
    arguments: [(0.1, 2, 2.0), (1, 2, 5), (3.5, 2, 17.5), (10, 2, 20), (0.1, 60, 20), (60, 3600, 20), (0, 20, 20)])
  func sweepPause(cost: Double, interval: Int, pause: Double) {
    #expect(SweepPause.after(cost: .seconds(cost), interval: .seconds(interval)) == .seconds(pause))
    #expect(SweepPause.most * 2 < RootOwner.Patience().time)
  }
}

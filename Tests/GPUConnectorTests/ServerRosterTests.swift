import ConnectorAPI
import JobEngine
import JobModel
import Testing

@testable import GPUConnector

@Suite("Servers and what is done on all of them")
struct ServerRosterTests {
  @Test("What is left of a job is removed from all servers that can be reached, and the first failure is told")
  func removal() async throws {
    let world = try QuietFleet(["alpha": nil, "beta": "removed", "gamma": "busy", "delta": "removed", "gone": nil])
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

  @Test("A server that the file names no more is looked after until it has had no job for an hour")
  func retirement() async throws {
    let world = try QuietFleet()
    let (fleet, roster, now) = (world.fleet, world.fleet.roster, ContinuousClock.now)
    await fleet.use([world.spec("alpha"), world.spec("beta")])
    let job = world.job(on: "alpha")
    let alpha = try #require(roster.controller("alpha"))
    alpha.jobs.change { $0[job.id] = job }
    await fleet.use([world.spec("beta")])
    #expect(roster.listed.map(\.name) == ["beta"] && roster.members.map(\.isListed) == [true, false])
    for hour in 0..<3 { roster.retire(at: now + .seconds(3601 * hour)) }
    #expect(roster.controller(of: job) === alpha)
    alpha.jobs.change { $0 = [:] }
    for second in [8000, 8001, 11_600] { roster.retire(at: now + .seconds(second)) }
    #expect(roster.controller(of: job) === alpha)
    roster.retire(at: now + .seconds(11_601))
    #expect(roster.controller(of: job) == nil && roster.listed.map(\.name) == ["beta"])
  }

  @Test("Those that were made are taken once, to be served")
  func new() async throws {
    let world = try QuietFleet()
    let roster = world.fleet.roster
    await world.fleet.use([world.spec("alpha")])
    #expect(roster.hasNew && roster.takeNew().map(\.name) == ["alpha"])
    await world.fleet.use([world.spec("alpha")])
    #expect(!roster.hasNew && roster.takeNew().isEmpty)
    // Its earlier place, after a restart.
    let earlier = world.job(on: "alpha", outputPath: "alpha weir@[earlier]:22:.weir/jobs/T")
    let home = roster.home(of: earlier)
    #expect(home?.spec.value.login?.host == "earlier" && roster.takeNew().first === home)
    #expect(roster.isPresent(earlier) && roster.home(of: earlier) === home && !roster.hasNew)
  }
}

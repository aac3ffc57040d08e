import JobModel
import Testing

@testable import GPUConnector

extension Fleet {
  /// Takes other servers, and while that waits, as it does first, makes the controller of a job's earlier place.
  fileprivate func use(_ specs: [ServerSpec], meanwhileFinding job: Job) async -> ServerController? {
    let using = Task.immediate { await self.use(specs) }
    let found = home(of: job)
    await using.value
    return found
  }
}

@Suite("The servers and their queue") struct FleetTests {
  @Test("A controller that is made while the servers file is read is not lost")
  func madeMeanwhile() async throws {
    let world = try QuietFleet()
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

  @Test(
    "Sweeps take a fifth of the time, and are at most 20 s apart, so that no owner record seems left",
    arguments: [(0.1, 2, 2.0), (1, 2, 5), (3.5, 2, 17.5), (10, 2, 20), (0.1, 60, 20), (60, 3600, 20), (0, 20, 20)])
  func sweepPause(cost: Double, interval: Int, pause: Double) {
    #expect(SweepPause.after(cost: .seconds(cost), interval: .seconds(interval)) == .seconds(pause))
    #expect(SweepPause.most * 2 < RootOwner.Patience().time)
  }
}

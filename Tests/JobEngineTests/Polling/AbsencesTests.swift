import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("Absence is no end")
struct AbsenceTests: VanishingJobs {
  let bench = Bench()
  let clock = ManualClock()

  init() { prepare() }

  @Test("A job is lost after complete, unbroken polls without it, and only if no other way to ask shows it")
  func lost() async throws {
    let service = try bench.service()
    let job = try #require(try await running(1, service).first)
    show([])
    await poll(service, 4)
    bench.connector.change { $0.observation = .failure(.unavailable("down")) }
    await poll(service)
    show([])
    await poll(service, 5)
    #expect(service.recent(job.key)?.state == .running && bench.connector.script.withLock { $0.locates } == 0)
    await poll(service)
    let lost = try #require(service.recent(job.key))
    #expect(lost.state == .lost && lost.reason.contains("not in the queue") && lost.reason.contains("no record of it"))
  }

  @Test("Accounting that cannot be asked breaks the polls; a machine that does not answer does too")
  func incomplete() async throws {
    let service = try bench.service()
    let job = try #require(try await running(1, service).first)
    bench.connector.observes(accountingFailure: "slurmdbd is down", at: clock.date)
    await poll(service, 10)
    var unreachable = Snapshot(time: clock.date, reports: [])
    unreachable.unreachable = ["3": "s1 does not answer"]
    bench.connector.change { [unreachable] in $0.observation = .success(unreachable) }
    await poll(service, 10)
    #expect(service.recent(job.key)?.state == .running)
    #expect(service.view(of: try #require(service.recent(job.key))).isUnknown)
  }

  @Test("Two polls are not enough, however far apart; a program that slept has not looked")
  func sleeping() async throws {
    let service = try bench.service()
    let job = try #require(try await running(1, service).first)
    show([])
    for _ in 0..<2 {
      clock.pass(100_000)
      await poll(service)
    }
    #expect(service.recent(job.key)?.state == .running)
    clock.pass(100_000)
    await poll(service)
    #expect(service.recent(job.key)?.state == .lost, "three polls, at most a minute of each gap")
  }

  @Test(
    "Many jobs that vanish at once are a failed poll, said in /ready",
    arguments: [(3, 3, true), (6, 3, true), (7, 3, false), (2, 2, false), (4, 4, true), (20, 10, true), (20, 9, false)]
      as [(Int, Int, Bool)])
  func mass(of all: Int, vanishing: Int, fails: Bool) async throws {
    let service = try bench.service()
    let jobs = try await running(all, service)
    bench.connector.change { $0.located = .failure(.unavailable("cannot be asked")) }
    show(jobs.dropFirst(vanishing).map { bench.report($0, .running) })
    await poll(service, 10)
    #expect((service.trouble?.contains("\(vanishing) of \(all) jobs vanished") == true) == fails)
    #expect(jobs.allSatisfy { service.recent($0.key)?.state == .running }, "nothing ends by it")
    #expect((try? service.list(.running)) == nil || !fails, "and an old list is not served for a new one")
    show(jobs.map { bench.report($0, .running) })
    await poll(service)
    #expect(service.trouble == nil)
    #expect(try service.list(.running).jobs.count == all)
  }

  // MARK: A loss that was wrong
}

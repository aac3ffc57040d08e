import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("What readers are answered")
struct JobReaderTests {
  let bench = Bench()

  private func submitted(_ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    return try #require(service.recent(bench.submission().key))
  }

  @Test("A job is listed from the instant its submit was answered")
  func listedAtOnce() async throws {
    let service = try bench.service()
    _ = await service.poller.poll()
    _ = try await submitted(service)
    #expect(try service.list(.queued).jobs == [.init(name: "job", id: "1")])
  }

  @Test("A job that moves from one list to the other is in one of them whichever is asked for first")
  func moving() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.lingering = .seconds(1)
    let service = try bench.service()
    let job = try await submitted(service)
    func isListed(_ list: JobList) throws -> Bool { try !service.list(list).jobs.isEmpty }
    for (state, from, to) in [(JobState.running, JobList.queued, JobList.running), (.requeued, .running, .running)]
      + [(.queued, .running, .queued)]
    {
      bench.connector.observes(bench.report(job, state))
      _ = await service.poller.poll()
      #expect(try isListed(from) && isListed(to))
      clock.pass(1.1)
      #expect(try isListed(to) && (from == to || !isListed(from)))
    }
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
    #expect(try !isListed(.queued) && !isListed(.running), "what is over is in none")
  }

  @Test("An outage is no end: the last complete list is served, and the trouble is told")
  func outage() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    #expect(throws: JobError.self, "nobody looked yet") { try service.list(.running) }
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    bench.connector.change { $0.observation = .failure(.unavailable("slurmctld is down")) }
    #expect(await service.poller.poll() == false)
    #expect(try service.list(.running).jobs.count == 1)
    #expect(service.trouble == "slurmctld is down")
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    #expect(service.trouble == nil)
  }

  @Test("A list that is too old is an error, never an empty list")
  func staleList() async throws {
    bench.configuration.staleAfter = .zero
    let service = try bench.service()
    let job = try await submitted(service)
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    #expect(throws: JobError.self) { try service.list(.running) }
  }

  @Test("A state is unknown, with the last known beside it, while nobody can tell it")
  func unknown() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    let known = service.view(of: try #require(service.recent(job.key)))
    #expect(known.lastKnown.state == .running && known.unknownSince == nil)
    bench.connector.change { $0.observation = .failure(.unavailable("slurmctld is down")) }
    _ = await service.poller.poll()
    let unknown = service.view(of: try #require(service.recent(job.key)))
    #expect(unknown.isUnknown && unknown.lastKnown.state == .running && unknown.unknownSince != nil)
    bench.connector.observes(accountingFailure: "slurmdbd is down")
    _ = await service.poller.poll()
    let missed = service.view(of: try #require(service.recent(job.key)))
    #expect(missed.isUnknown && missed.lastKnown.state == .running, "gone from the queue, nothing says where")
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    let seen = service.view(of: try #require(service.recent(job.key)))
    #expect(!seen.isUnknown && seen.lastKnown.state == .running)
  }
}

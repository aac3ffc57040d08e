import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("Asking in another way for jobs that polls do not show")
struct AbsenceVerifierTests: VanishingJobs {
  let bench = Bench()
  let clock = ManualClock()

  init() { prepare() }

  private static let contradictions: [(JobState?, String)] = [
    (.running, "RUNNING"), (.queued, "PENDING"), (.suspended, "SUSPENDED"), (.held, "PENDING"), (nil, "ODD"),
  ]

  @Test("What another way shows contradicts absence", arguments: contradictions.indices)
  func contradicted(index: Int) async throws {
    let (state, word) = Self.contradictions[index]
    let service = try bench.service()
    let job = try #require(try await running(1, service).first)
    var found = bench.report(job, state)
    (found.source, found.backendWord) = ("sacct", word)
    bench.connector.change { [found] in $0.located = .success(found) }
    show([])
    await poll(service, 40)
    let unknown = try #require(service.recent(job.key))
    #expect(unknown.state == .running && unknown.reason == "not in the queue, but sacct says \(word)")
    #expect(service.view(of: unknown).isUnknown)
    #expect(service.warnings.contains { $0.contains("job/1 (3) has been unknown") && $0.contains("sacct says") })
    #expect(service.trouble == nil, "one job is no outage")
    #expect(bench.connector.script.withLock { $0.locates } < 9, "not at every poll")
    show([bench.report(job, .running)])
    await poll(service)
    #expect(service.recent(job.key)?.reason == "" && service.warnings == [])
  }

  @Test("An end that another way shows is the end")
  func ended() async throws {
    let service = try bench.service()
    let job = try #require(try await running(1, service).first)
    var found = bench.report(job, .failed, .outOfMemory)
    found.source = "sacct"
    bench.connector.change { [found] in $0.located = .success(found) }
    show([])
    await poll(service, 8)
    #expect(service.recent(job.key)?.outcome == .outOfMemory)
  }

  @Test("While it cannot be asked in another way, a job is not lost; nor by a job of another account")
  func cannotBeAsked() async throws {
    let service = try bench.service()
    let job = try #require(try await running(1, service).first)
    bench.connector.change { $0.located = .failure(.unavailable("its key is refused")) }
    show([])
    await poll(service, 20)
    #expect(service.recent(job.key)?.state == .running)
    #expect(service.recent(job.key)?.reason.contains("its key is refused") == true)
    var foreign = bench.report(job, .running)
    foreign.account = "mario"
    bench.connector.change { [foreign] in $0.located = .success(foreign) }
    clock.pass(300)
    await poll(service, 3)
    #expect(service.recent(job.key)?.state == .lost, "somebody's copy of the mark says nothing of it")
  }

  @Test("Jobs that vanish at once and that no other way shows are lost after the time of any other")
  func massConfirmed() async throws {
    let service = try bench.service()
    let jobs = try await running(5, service)
    show([])
    await poll(service, 2)
    #expect(service.trouble == nil, "each was asked for, and is not there")
    await poll(service, 4)
    #expect(jobs.allSatisfy { service.recent($0.key)?.state == .running })
    await poll(service, 3)
    #expect(jobs.allSatisfy { service.recent($0.key)?.state == .lost })
  }

  @Test("An account that lost its right to see others: each job stays, the poll has failed for as long as that lasts")
  func massContradicted() async throws {
    let service = try bench.service()
    let jobs = try await running(3, service)
    var found = bench.report(jobs[0], .running)
    found.backendWord = "RUNNING"
    bench.connector.change { [found] in
      $0.locatedOf = { job in
        var report = found
        (report.backendID, report.mark) = (job.backendID ?? "", Mark(token: job.submissionToken))
        return report
      }
    }
    show([])
    await poll(service, 50)
    #expect(service.trouble?.contains("3 of 3 jobs vanished") == true)
    #expect(jobs.allSatisfy { service.recent($0.key)?.state == .running })
    #expect(jobs.allSatisfy { service.recent($0.key)?.reason.contains("says RUNNING") == true })
  }
}

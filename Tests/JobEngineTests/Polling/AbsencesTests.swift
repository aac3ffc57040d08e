import ConnectorAPI
import Foundation
import JobModel
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("Absence is no end")
struct AbsenceTests {
  let bench = Bench()
  let clock = ManualClock()

  init() {
    bench.configuration.clock = clock.clock()
    bench.configuration.lostAfter = 100
    bench.connector.change { $0.submit = { submission, _ in "\(submission.name.count)" } }
  }

  /// Jobs that were seen to run, the first with the id 3, the next 4 and so on.
  private func running(_ count: Int, _ service: JobService) async throws -> [Job] {
    var jobs: [Job] = []
    for number in 0..<count {
      let submission = bench.submission("job" + String(repeating: "x", count: number))
      _ = try await service.submit(submission, actor: "test")
      jobs.append(try #require(service.recent(submission.key)))
    }
    show(jobs.map { bench.report($0, .running) })
    await poll(service)
    #expect(jobs.allSatisfy { service.recent($0.key)?.state == .running })
    return jobs
  }

  private func show(_ reports: [JobReport]) {
    bench.connector.change { [date = clock.date] in
      $0.observation = .success(Snapshot(time: date, reports: reports))
    }
  }

  private func poll(_ service: JobService, _ count: Int = 1) async {
    for _ in 0..<count {
      clock.pass(20)
      _ = await service.poller.poll()
      await service.followUps.resolve()
    }
  }

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

  // MARK: A loss that was wrong

  private func lost(_ service: JobService) async throws -> Job {
    let job = try #require(try await running(1, service).first)
    bench.connector.change { $0.output = Array("half".utf8) }
    show([])
    await poll(service, 8)
    let lost = try #require(service.recent(job.key))
    try #require(lost.state == .lost)
    return lost
  }

  @Test(
    "A lost job that is seen again lives on, by an event of its own, also after a restart", arguments: [false, true])
  func corrected(isRestarted: Bool) async throws {
    bench.configuration.recentCount = 1
    var service = try bench.service()
    let job = try await lost(service)
    // Others end meanwhile.
    for name in ["other", "others"] {
      _ = try await service.submit(bench.submission(name), actor: "test")
      show([bench.report(try #require(service.recent(bench.submission(name).key)), .succeeded, .succeeded)])
      await poll(service)
    }
    if isRestarted {
      service = try bench.service()
      try await service.ledger.load()
    }
    show([bench.report(job, .running)])
    await poll(service)
    let found = try #require(service.recent(job.key))
    #expect(found.state == .running && found.outcome == nil && found.endedAt == nil)
    #expect(found.reason.hasPrefix("found again: it was lost since"))
    #expect(try service.list(.running).jobs.map(\.id) == [job.backendID ?? ""])
    #expect(try await service.ledger.store.retention(of: job.id) == nil, "its output stays")
    var end = bench.report(job, .succeeded, .succeeded)
    end.lifecycle = .ended(Outcome(.succeeded, exitCode: 0))
    show([end])
    bench.connector.change { $0.output = Array("whole".utf8) }
    await poll(service)
    let over = try #require(service.recent(job.key))
    #expect(over.state == .succeeded)
    #expect(try await service.finalOutput(over) == Array("whole".utf8))
    #expect(try await service.toldEnd(of: over) == nil)
    #expect(try await service.ledger.store.retention(of: job.id)?.due != nil)
    let events = try service.ledger.store.events(of: job.id)
    #expect(events.map(\.to) == [.submitting, .queued, .running, .lost, .running, .succeeded])
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("The true end of a lost job is told when accounting knows it")
  func endedAfterAll() async throws {
    let service = try bench.service()
    let job = try await lost(service)
    clock.pass(60)
    _ = await service.poller.poll()
    #expect(bench.connector.script.withLock { $0.asked } == ["job"], "it is asked about, now and then")
    _ = await service.poller.poll()
    #expect(bench.connector.script.withLock { $0.asked } == [])
    var end = bench.report(job, .failed, .nodeFailure)
    end.source = "sacct"
    show([end])
    await poll(service)
    #expect(service.recent(job.key)?.outcome == .nodeFailure)
    #expect(service.recent(job.key)?.reason.hasPrefix("found again") == true)
    #expect(try await service.ledger.store.retention(of: job.id)?.due != nil)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }
}

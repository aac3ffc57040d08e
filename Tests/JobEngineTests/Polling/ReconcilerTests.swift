import ConnectorAPI
import Foundation
import Testing

@testable import JobEngine
@testable import JobModel
@testable import JobStoreSQLite

@Suite("What was seen, and what it means")
struct ReconcilerTests {
  let bench = Bench()
  let begin = Date(timeIntervalSince1970: 1_800_000_000)

  private func submitted(_ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    return try #require(service.recent(bench.submission().key))
  }

  private func report(_ job: Job, _ state: JobState, startedAt: Date?, word: String = "") -> JobReport {
    var report = bench.report(job, state)
    report.startedAt = startedAt
    report.isCompleting = word == "COMPLETING"
    return report
  }

  @Test("A requeue is the next attempt of the same job, seen waiting or not until it runs again")
  func requeue() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    func look(_ state: JobState, _ start: TimeInterval?, _ word: String = "") async -> Job? {
      bench.connector.observes(report(job, state, startedAt: start.map { begin + $0 }, word: word))
      _ = await service.poller.poll()
      return service.recent(job.key)
    }
    #expect(await look(.running, 0)?.attempt == 1)
    // Slurm shows a job that is being requeued with the moment of the requeue as its start.
    #expect(await look(.running, 5, "COMPLETING")?.attempt == 1)
    let waiting = await look(.queued, nil)
    #expect(waiting?.attempt == 2 && waiting?.state == .queued && waiting?.reason == "requeued: attempt 2")
    #expect(await look(.queued, nil)?.attempt == 2)
    #expect(await look(.starting, 9)?.attempt == 2)
    #expect(await look(.running, 10)?.attempt == 2)
    #expect(await look(.running, 60)?.attempt == 3, "nobody saw it wait")
    let events = try SQLiteJobStore(directory: bench.directory.path).events(of: job.id)
    #expect(events.map(\.to) == [.submitting, .queued, .running, .queued, .starting, .running, .running])
  }

  @Test("Of two jobs with one id, each learns its own end, where nothing but the name tells them apart")
  func idGivenOutAnew() async throws {
    let service = try bench.service()
    let names = ["one", "two", "three", "four"]
    for name in names { _ = try await service.submit(bench.submission(name), actor: "test") }
    let reports = names.map {
      JobReport(
        backendID: "1", name: $0, account: "kirby", state: .succeeded, source: "sacct", backendWord: "COMPLETED",
        outcome: Outcome(.succeeded, exitCode: 0))
    }
    bench.connector.change { $0.observation = .success(Snapshot(time: Date(), reports: reports)) }
    _ = await service.poller.poll()
    #expect(names.allSatisfy { service.recent(bench.submission($0).key)?.state == .succeeded })
  }

  @Test("What is not known of an end is added to it, and changes nothing else of it")
  func amendment() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    let service = try bench.service()
    let job = try await submitted(service)
    var end = bench.report(job, .failed, .failed)
    end.endedAt = Date() - 10
    bench.connector.observes(end)
    _ = await service.poller.poll()
    let first = try #require(service.recent(job.key))
    #expect(first.outcome?.exitCode == nil)
    end.lifecycle = .ended(Outcome(.failed, exitCode: 3, signal: 9))
    (end.reason, end.source) = ("ended by signal 9", "sacct")
    end.endedAt = Date()
    end.elapsed = 99
    clock.pass(10)
    bench.connector.observes(end)
    _ = await service.poller.poll()
    let amended = try #require(service.recent(job.key))
    #expect(amended.outcome?.exitCode == 3 && amended.outcome?.signal == 9 && amended.reason == "ended by signal 9")
    #expect(amended.endedAt == first.endedAt && amended.elapsed == first.elapsed && amended.state == .failed)
    let events = try SQLiteJobStore(directory: bench.directory.path).events(of: job.id)
    #expect(events.last?.from == .failed && events.last?.to == .failed && events.last?.source == "sacct")
  }

  @Test("A job that could not be asked about stays as it is, and is lost by a look that asks")
  func unasked() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.lostAfter = 100
    let service = try bench.service()
    let job = try await submitted(service)
    for unasked in [[], [], ["1"], ["1"], ["1"]] as [Set<String>] {
      var observation = Snapshot(time: clock.date, reports: [])
      observation.unasked = unasked
      bench.connector.change { [observation] in $0.observation = .success(observation) }
      _ = await service.poller.poll()
      await service.followUps.resolve()
      #expect(service.recent(job.key)?.state == .queued)
      clock.pass(40)
    }
    bench.connector.observes(at: clock.date)
    _ = await service.poller.poll()
    await service.followUps.resolve()
    #expect(service.recent(job.key)?.state == .lost)
  }

  @Test("An id that was answered stays, whatever else has the mark: tasks of an array, and copies")
  func answeredID() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    var copies = [bench.report(job, .failed, .failed), bench.report(job, .canceled, .canceled)]
    (copies[0].backendID, copies[1].backendID) = ("0", "12")
    for own in [nil, bench.report(job, .running)] {
      let reports = [copies[0]] + [own].compactMap { $0 } + [copies[1]]
      bench.connector.change { $0.observation = .success(Snapshot(time: Date(), reports: reports)) }
      _ = await service.poller.poll()
      let seen = try #require(service.recent(job.key))
      #expect(seen.backendID == "1" && seen.state == (own == nil ? .queued : .running))
      #expect((seen.contact.unreachableSince == nil) == (own != nil), "a copy does not show it")
    }
  }

  @Test("A job whose mark was taken off it is known by id, name and account together")
  func unmarked() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    var bare = bench.report(job, .running)
    (bare.mark, bare.name) = (nil, "other")
    bench.connector.observes(bare)
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .queued)
    bare.name = job.name
    bench.connector.observes(bare)
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .running)
  }
}

@Suite("A job's state comes from evidence")
struct StateTests {
  let bench = Bench()

  private func submitted(_ service: JobService) async throws -> Job {
    _ = try await service.submit(bench.submission(), actor: "test")
    return try #require(service.recent(bench.submission().key))
  }

  @Test("A job that is answered while a look is under way is not missing from it")
  func answeredMeanwhile() async throws {
    let service = try bench.service()
    let (submitGate, pollGate) = (Gate(), Gate())
    bench.connector.change { ($0.submitGate, $0.pollGate) = (submitGate, pollGate) }
    let submission = bench.submission()
    async let receipt = service.submit(submission, actor: "test")
    await submitGate.arrival()
    async let poll = service.poller.poll()
    // Answered when the poll has begun, and before it ends.
    await pollGate.arrival()
    submitGate.open()
    _ = try await receipt
    pollGate.open()
    _ = await poll
    let job = try #require(service.recent(bench.submission().key))
    #expect(job.state == .queued && job.inDoubtSince == nil && job.contact.unreachableSince == nil)
  }

  @Test("A terminal state is immutable")
  func immutable() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
    bench.connector.observes(bench.report(job, .failed, .failed))
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .succeeded)
  }

  @Test("An id that the backend gave out anew is another job")
  func reusedID() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    var other = bench.report(job, .failed, .failed)
    other.mark = Mark(token: "SOMEBODYELSE")
    bench.connector.observes(other)
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .queued)
  }

  @Test("A cancel stands until the end is seen")
  func canceling() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    try await service.cancel(job, actor: "test")
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .canceling)
    bench.connector.observes(bench.report(job, .canceled, .canceled))
    _ = await service.poller.poll()
    #expect(service.recent(job.key)?.state == .canceled)
  }

  @Test("Every transition is one event, with who and why")
  func events() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    bench.connector.observes(bench.report(job, .running))
    _ = await service.poller.poll()
    _ = await service.poller.poll()
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
    let events = try SQLiteJobStore(directory: bench.directory.path).events(of: job.id)
    #expect(events.map(\.to) == [.submitting, .queued, .running, .succeeded])
    #expect(events.map(\.actor) == ["test", "test", "weir", "weir"])
  }
}

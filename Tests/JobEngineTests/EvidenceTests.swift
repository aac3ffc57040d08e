import ConnectorAPI
import Foundation
import Testing

@testable import JobEngine
@testable import JobModel
@testable import JobStoreSQLite

@Suite("What was seen, and what it means")
struct EvidenceTests {
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

  @Test(
    "A code is asked for ten minutes in which accounting can answer, within a day",
    arguments: [
      (3, 1000, false), (10, 1000, true), (500, 1000, true), (700, 1000, false), (700, 100, true), (80_000, 100, true),
      (90_000, 100, false),
    ] as [(TimeInterval, TimeInterval, Bool)])
  func codes(ended: TimeInterval, accounted: TimeInterval, asks: Bool) async throws {
    var job = try await submitted(try bench.service())
    (job.lifecycle, job.endedAt) = (.ended(.failed), begin)
    let now = ContinuousClock.now
    let timeline = Timeline(known: now - .seconds(ended))
    #expect(timeline.lacksExitCode(job, at: now, accountingSince: now - .seconds(accounted)) == asks)
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

  @Test("While accounting does not answer, it is not asked for what can wait")
  func accountingIsSpared() async throws {
    let service = try bench.service()
    let job = try await submitted(service)
    var end = bench.report(job, .failed, .failed)
    end.endedAt = Date() - 10
    bench.connector.observes(end, accountingFailure: "slurmdbd hangs")
    _ = await service.poller.poll()
    _ = await service.poller.poll()
    #expect(bench.connector.script.withLock { $0.asked } == [])
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
    #expect(service.view(of: try #require(service.recent(job.key))).isUnknown == false)
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

@Suite("A lost store is made anew from the backend")
struct AdoptionTests {
  let bench = Bench()
  /// What a service that was started has running: polls, follow-ups and retention.
  private static let tasks = 3

  private func adoption(_ secret: String = "secret", account: String = "kirby") -> RecoveryKey {
    RecoveryKey(secret: Array(secret.utf8), accountOf: { $0 == "kirby@example.com" ? account : nil })
  }

  private func report(
    _ submission: JobSpec, secret: String = "secret", token: String = "01TOKEN"
  ) -> JobReport {
    let mark = adoption(secret).mark(of: submission, token: token, fingerprint: submission.fingerprint)
    return JobReport(
      backendID: "5", mark: Mark("\(mark) and more"), name: submission.name, account: submission.account,
      state: .running, source: "squeue", backendWord: "RUNNING")
  }

  @Test("A mark survives being written and read, whatever the owner is called")
  func marks() throws {
    for owner in ["kirby@example.com", "a b:c%d'\"\n", "ü名"] {
      var submission = bench.submission()
      submission.owner = owner
      let mark = adoption().mark(of: submission, token: "01TOKEN", fingerprint: "f")
      #expect(Mark(mark.description) == mark)
      #expect(mark.description.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ":%._@-".contains($0)) })
    }
    #expect(Mark("01TOKEN") == Mark(token: "01TOKEN"))
    for text in ["", ":1:a:b:c", " x"] { #expect(Mark(text) == nil) }
    #expect(Mark("T:x:a:b:c")?.claim == nil && Mark("T:1:%:b:c")?.claim == nil && Mark("T:1:%4:b:c")?.claim == nil)
  }

  @Test("A job with our mark is adopted; the same submit again gets its id, another is refused")
  func adopted() async throws {
    bench.configuration.recoveryKey = adoption()
    let service = try bench.service()
    // Somebody copied the mark to a job of their own.
    var copy = report(bench.submission())
    (copy.backendID, copy.name) = ("4", "copy")
    bench.connector.observes(copy, report(bench.submission()))
    _ = await service.poller.poll()
    let job = try #require(service.recent(bench.submission().key))
    #expect(job.backendID == "5" && job.owner == "kirby@example.com" && job.state == .running && job.isAdopted)
    let receipt = try await service.submit(bench.submission(), actor: "test")
    #expect(receipt == .init(backendID: "5", shownScript: "shown"))
    await #expect(throws: JobError.conflict(job.key)) {
      try await service.submit(bench.submission(script: "false\n"), actor: "test")
    }
    #expect(bench.connector.script.withLock { $0.submits } == 0)
  }

  private static let notOurs: [(String, @Sendable (inout JobReport) -> Void)] = [
    ("another account", { $0.account = "mario" }), ("another name", { $0.name = "other" }),
    ("a submit that was refused", { $0.lifecycle = .ended(.failed) }), ("no mark", { $0.mark = nil }),
    ("a mark without a claim", { $0.mark = Mark(token: "01TOKEN") }),
  ]

  @Test("What is not proven ours is not adopted", arguments: notOurs.indices)
  func foreign(index: Int) async throws {
    bench.configuration.recoveryKey = adoption()
    let service = try bench.service()
    var report = report(bench.submission())
    Self.notOurs[index].1(&report)
    bench.connector.observes(report)
    _ = await service.poller.poll()
    #expect(service.ledger.cache.read { $0.jobs.isEmpty }, "\(Self.notOurs[index].0)")
  }

  @Test("A mark of another installation, or of an owner whose account is another now, adopts nothing")
  func otherSecret() async throws {
    for adoption in [adoption("another"), adoption(account: "mario")] {
      bench.configuration.recoveryKey = adoption
      let service = try bench.service()
      bench.connector.observes(report(bench.submission()))
      _ = await service.poller.poll()
      #expect(service.ledger.cache.read { $0.jobs.isEmpty })
    }
  }

  @Test("A job that is over when it is adopted is kept as long as any, and no longer")
  func over() async throws {
    bench.configuration.recoveryKey = adoption()
    bench.configuration.recentCount = 0
    let service = try bench.service()
    var over = report(bench.submission())
    (over.lifecycle, over.nodes) = (.ended(.succeeded), ["node1"])
    bench.connector.observes(over)
    _ = await service.poller.poll()
    let job = try #require(try await service.find(bench.submission().key))
    #expect(job.state == .succeeded && service.recent(job.key) == nil, "it leaves memory")
    #expect(try await service.ledger.store.retention(of: job.id)?.due != nil)
    #expect(try SQLiteJobStore.check(directory: bench.directory.path) == [])
  }

  @Test("Nothing is submitted before the records were searched for what the store may have lost")
  func recall() async throws {
    bench.configuration.recoveryKey = adoption()
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.pollInterval = .milliseconds(20)
    bench.connector.change { $0.recalled = .failure(.unavailable("slurmdbd is down")) }
    let service = try bench.service()
    // An older copy of a store: it knows a job, and lacks a later one.
    try await service.start()
    let error = await #expect(throws: JobError.self) {
      try await clock.running(whenAsleep: Self.tasks + 1) { [submission = bench.submission()] in
        try await service.submit(submission, actor: "test")
      }
    }
    #expect(error == .unavailable("slurmdbd is down"))
    var over = report(bench.submission())
    (over.lifecycle, over.nodes) = (.ended(.succeeded), ["node1"])
    bench.connector.change { [over] in $0.recalled = .success([over]) }
    let receipt = try await clock.running(whenAsleep: Self.tasks + 1) { [submission = bench.submission()] in
      try await service.submit(submission, actor: "test")
    }
    #expect(receipt.backendID == "5")
    #expect(bench.connector.script.withLock { $0.submits } == 0)
    await service.stop()
    let restarted = try bench.service()
    bench.connector.change { $0.recalled = .failure(.unavailable("down")) }
    try await restarted.start()
    await #expect(throws: JobError.self, "nor with a store that may be an older copy") {
      try await clock.running(whenAsleep: Self.tasks + 1) { [submission = bench.submission("other")] in
        try await restarted.submit(submission, actor: "test")
      }
    }
    await restarted.stop()
  }

  @Test("A search that fails keeps submits waiting for a bounded time")
  func patience() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.recoveryKey = adoption()
    bench.configuration.recoveryTime = .milliseconds(100)
    bench.connector.change { $0.recalled = .failure(.unavailable("slurmdbd is down")) }
    let service = try bench.service()
    try await service.start()
    let receipt = try await clock.running(whenAsleep: Self.tasks + 1) { [submission = bench.submission()] in
      try await service.submit(submission, actor: "test")
    }
    #expect(receipt.backendID == "1")
    await service.stop()
  }

  @Test("A search that takes long is what a submit is told to wait for")
  func slowSearch() async throws {
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    bench.configuration.recoveryKey = adoption()
    bench.configuration.submitTime = .milliseconds(400)
    bench.connector.change { $0.recallTakes = .seconds(60) }
    let service = try bench.service()
    try await service.start()
    let error = await #expect(throws: JobError.self) {
      try await clock.running(whenAsleep: Self.tasks + 1) { [submission = bench.submission()] in
        try await service.submit(submission, actor: "test")
      }
    }
    #expect(error?.description.contains("records of ended jobs are being searched") == true)
    await service.stop()
  }

  @Test("A job that is submitted while one of its name is adopted keeps its row")
  func submittedMeanwhile() async throws {
    let service = try bench.service()
    for number in 1...60 {
      let submission = bench.submission("job\(number)")
      let shown = report(submission, token: "01TOKEN\(number)")
      let seen = adoption().job(shownBy: shown, connector: bench.connector, at: Date())
      async let adopted = service.ledger.recover(try #require(seen))
      for _ in 0..<number { await Task.yield() }
      let job = Job(submission, fingerprint: "f", connector: bench.connector, now: Date())
      let isInserted: Void? = try? await service.ledger.insert(
        job, shownScript: "", actor: "test", idempotencyKey: nil)
      let isAdopted = try await adopted
      #expect((isInserted != nil) != isAdopted)
      let kept = try await service.ledger.store.job(submission.key)
      #expect(kept?.id == service.recent(submission.key)?.id && kept?.isAdopted == isAdopted)
    }
  }

  @Test("A job of ours that the store knows under another mark is left alone")
  func nameTaken() async throws {
    bench.configuration.recoveryKey = adoption()
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    bench.connector.observes(report(bench.submission()))
    _ = await service.poller.poll()
    #expect(service.recent(bench.submission().key)?.backendID == "1")
  }
}

@Suite("Looking costs as little as it can")
struct IntervalTests {
  @Test(
    "Without living jobs and questions the backend is asked seldom; a question wakes at once", .timeLimit(.minutes(1)))
  func idle() async throws {
    let (bench, clock) = (Bench(), ManualClock())
    bench.configuration.clock = clock.clock()
    bench.configuration.pollInterval = .milliseconds(20)
    bench.configuration.earlyPollInterval = .milliseconds(5)
    bench.configuration.idleAfter = .milliseconds(200)
    // Only a question ends the pause within the time of this test.
    bench.configuration.idlePollInterval = .seconds(3600)
    bench.configuration.staleAfter = .seconds(7200)
    let service = try bench.service()
    var observations: Int { bench.connector.script.withLock { $0.observations } }
    try await service.start()
    // Polls, follow-ups and retention: all of them wait for time to go on.
    let tasks = 3
    await clock.sleepers(tasks)
    while observations < 4 {
      _ = try? service.list(.running)
      clock.pass(0.005)
      await clock.sleepers(tasks)
    }
    for _ in 0..<100 {
      clock.pass(0.005)
      await clock.sleepers(tasks)
    }
    let before = observations
    for _ in 0..<100 {
      clock.pass(0.4)
      await clock.sleepers(tasks)
    }
    #expect(observations == before)
    #expect(try service.list(.running).jobs.isEmpty, "true at any age: nothing can have changed but by a submit")
    await eventually { observations > before }
    await service.stop()
  }

  @Test("A living job keeps the interval", .timeLimit(.minutes(1)))
  func living() async throws {
    let (bench, clock) = (Bench(), ManualClock())
    bench.configuration.clock = clock.clock()
    bench.configuration.pollInterval = .milliseconds(20)
    bench.configuration.earlyPollInterval = .milliseconds(5)
    bench.configuration.idleAfter = .milliseconds(10)
    bench.configuration.idlePollInterval = .seconds(3600)
    bench.configuration.staleAfter = .seconds(7200)
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    try await service.start()
    for _ in 0..<20 {
      await clock.sleepers(3)
      clock.pass(0.005)
    }
    #expect(bench.connector.script.withLock { $0.observations } > 3)
    await service.stop()
  }
}

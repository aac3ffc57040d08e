import ConnectorAPI
import Foundation
import GRDB
import JobModel
import Logging
import Synchronization
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

/// A connector whose jobs wait in Weir's own queue, and whose machines are the test.
private final class TestQueueConnector: QueueingConnector, HoldingConnector {
  let name = "queueing"
  let boards = AsyncStream<any JobBoard>.makeStream()
  let shown = Mutex<[JobID: JobReport]>([:])
  let unreachable = Mutex<[String: String]>([:])
  /// Whether polls say anything of the jobs that have a machine. While they do not, only the test changes jobs.
  let reports = Mutex(false)
  var health: [HealthIssue] { [] }

  func work(on board: any JobBoard) async {
    boards.continuation.yield(board)
    // Until it is canceled.
    let (never, continuation) = AsyncStream<Void>.makeStream()
    for await _ in never {}
    continuation.finish()
  }
  func preview(_ submission: JobSpec) throws(BackendError) -> String { submission.shownScript }
  func outputPath(of submission: JobSpec, token: String) -> String? { "jobs/" + token }
  func submit(_ submission: JobSpec, mark: Mark) async throws(BackendError) -> String { mark.token }
  func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot {
    let shown = shown.withLock { $0 }
    let unreachable = unreachable.withLock { $0 }
    var observation = Snapshot(time: Date(), reports: jobs.compactMap { shown[$0.id] })
    observation.unreachable = unreachable
    let reports = reports.withLock { $0 }
    observation.unchanged = Set(jobs.filter { !reports || $0.nodes.isEmpty }.compactMap(\.backendID))
    return observation
  }
  func find(_ job: Job, timeout: Duration) async throws(BackendError) -> JobReport? { nil }
  func cancel(_ job: Job) async throws(BackendError) {}
  func release(_ job: Job) async throws(BackendError) {}
  func hold(_ job: Job) async throws(BackendError) {}
}

/// A service with such a connector, on a store of its own.
private struct Place {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-board-\(UUID().uuidString)")
  let connector = TestQueueConnector()
  let service: JobService
  let board: any JobBoard
  let clock = ManualClock()

  init() async throws {
    var configuration = JobService.Configuration()
    configuration.lostAfter = 0
    configuration.clock = clock.clock()
    service = JobService(
      store: try SQLiteJobStore(directory: directory.path), connector: connector, configuration: configuration,
      logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    try await service.start()
    var boards = connector.boards.stream.makeAsyncIterator()
    board = try #require(await boards.next())
  }

  func end() async {
    await service.stop()
    try? FileManager.default.removeItem(at: directory)
  }

  func submit(_ name: String = "job", script: String = "true\n", held: Bool = false) async throws -> Job {
    var submission = JobSpec(
      name: name, number: 1, owner: "kirby@example.com", account: "kirby", nodes: 1, coresPerNode: 2,
      memoryPerNode: 3, gpusPerNode: 1, held: held, request: script, script: script, shownScript: "shown")
    submission.priority = 4
    _ = try await service.submit(submission, actor: "test")
    return try #require(service.recent(submission.key))
  }
}

@Suite(.timeLimit(.minutes(5))) struct BoardTests {
  @Test func whatAJobNeedsIsKeptUntilItIsOverAndSealed() async throws {
    let place = try await Place()
    let job = try await place.submit(script: "echo secret-of-the-registry\n")
    #expect(job.resources == ResourceRequest(gpus: 1, cores: 2, memory: 3) && job.priority == 4 && job.state == .queued)
    #expect(job.backendID == job.submissionToken)
    #expect(try await place.board.payload(of: job).submission.script == "echo secret-of-the-registry\n")
    for file in try FileManager.default.subpathsOfDirectory(atPath: place.directory.path) {
      let bytes = FileManager.default.contents(atPath: place.directory.path + "/" + file) ?? Data()
      #expect(bytes.range(of: Data("secret-of-the-registry".utf8)) == nil, "\(file)")
    }
    let placed = try #require(
      await place.board.place([.init(job: job.id, machine: "s1", devices: [.init(index: 0)])]).first)
    let end = JobReport(
      backendID: job.submissionToken, mark: Mark(token: job.submissionToken), state: .succeeded, source: "exit file",
      backendWord: "exited", outcome: Outcome(.succeeded, exitCode: 0), nodes: ["s1"])
    await place.board.report([placed.id: end], at: Date())
    #expect(place.board.job(job.id)?.state == .succeeded)
    #expect(place.board.job(job.id)?.devices == [.init(index: 0)])
    await #expect(throws: PayloadError.self) { try await place.board.payload(of: job) }
    await place.end()
  }

  @Test func aJobIsPlacedOnceAndOnlyWhileItWaits() async throws {
    let place = try await Place()
    let job = try await place.submit()
    let held = try await place.submit("held", held: true)
    let placements = [JobPlacement(job: job.id, machine: "s1", devices: [.init(index: 0)])]
    async let first = place.board.place(placements)
    async let second = place.board.place(placements)
    #expect(await first.count + second.count == 1)
    #expect(await place.board.place([.init(job: held.id, machine: "s1", devices: [])]).isEmpty)
    try await place.service.release(held, actor: "test")
    #expect(await place.board.place([.init(job: held.id, machine: "s1", devices: [])]).count == 1)
    await place.end()
  }

  @Test func nothingIsPlacedThatIsNotOnDisk() async throws {
    let place = try await Place()
    let job = try await place.submit()
    let store = place.service.ledger.sqlite
    func allowWrites(_ allowed: Bool) async throws {
      try await store.database.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA query_only = \(allowed ? 0 : 1)")
      }
    }
    try await allowWrites(false)
    let placements = [JobPlacement(job: job.id, machine: "s1", devices: [.init(index: 0)])]
    for _ in 0..<2 { #expect(await place.board.place(placements).isEmpty) }
    #expect(place.board.job(job.id)?.state == .queued && place.service.storeTrouble != nil)
    try await allowWrites(true)
    // Polls, follow-ups, retention, and the store, which is tried once a second.
    if place.service.storeTrouble != nil {
      await place.clock.sleepers(4)
      place.clock.pass(1)
      await eventually { place.service.storeTrouble == nil }
    }
    #expect(await place.board.place(placements).count == 1)
    #expect(try await store.job(job.key)?.nodes == ["s1"])
    await place.end()
  }

  @Test func whatWasNotStartedGoesBackToItsPlace() async throws {
    let place = try await Place()
    let job = try await place.submit()
    let placed = try #require(
      await place.board.place([.init(job: job.id, machine: "s1", devices: [.init(index: 0)])]).first)
    await place.board.putBack(placed, reason: "s1 is full", asNextAttempt: true)
    let back = try #require(place.board.job(job.id))
    #expect(back.state == .queued && back.nodes.isEmpty && back.devices.isEmpty && back.attempt == 2)
    #expect(back.id == job.id && back.reason == "s1 is full")
    // What is still seen of the first attempt is no news of the second.
    var late = JobReport(
      backendID: job.submissionToken, mark: Mark(token: job.submissionToken), state: .running, source: "sweep",
      backendWord: "running")
    late.attempt = 1
    await place.board.report([job.id: late], at: Date())
    #expect(place.board.job(job.id)?.state == .queued)
    await place.end()
  }

  @Test func aJobWithoutAMachineIsCanceledAtOnce() async throws {
    let place = try await Place()
    let job = try await place.submit()
    try await place.service.cancel(job, actor: "kirby")
    await place.board.endUnplaced(job.id)
    let over = try #require(place.board.job(job.id))
    #expect(over.state == .canceled && over.reason == "canceled by kirby")
    await place.end()
  }

  @Test func jobsOfAMachineThatCannotBeAskedAreUnknownAndNeverLost() async throws {
    let place = try await Place()
    let job = try await place.submit()
    let waiting = try await place.submit("waiting")
    _ = await place.board.place([.init(job: job.id, machine: "s1", devices: [.init(index: 0)])])
    place.connector.reports.withLock { $0 = true }
    place.connector.unreachable.withLock { $0 = [job.submissionToken: "s1 does not answer"] }
    for _ in 0..<3 { #expect(await place.service.poller.poll()) }
    let unknown = try #require(place.board.job(job.id))
    #expect(place.service.view(of: unknown).isUnknown && unknown.state == .starting)
    #expect(place.board.job(waiting.id)?.contact.unreachableSince == nil)
    // Asked, and not there: with no patience at all it is lost.
    place.connector.unreachable.withLock { $0 = [:] }
    for _ in 0..<3 { #expect(await place.service.poller.poll()) }
    await place.service.followUps.resolve()
    #expect(place.board.job(job.id)?.state == .lost)
    #expect(place.board.job(waiting.id)?.state == .queued)
    await place.end()
  }

  @Test func everyChangeIsSeenInOrder() async throws {
    let place = try await Place()
    let seen = Mutex<[JobState]>([])
    place.board.watch { job in seen.withLock { $0.append(job.state) } }
    let job = try await place.submit()
    _ = await place.board.place([.init(job: job.id, machine: "s1", devices: [])])
    try await place.service.cancel(job, actor: "kirby")
    #expect(seen.withLock { $0 } == [.submitting, .queued, .starting, .canceling])
    await place.end()
  }
}

@Suite struct IdentifierTests {
  @Test func idsSortInTheOrderInWhichTheyWereMade() {
    let now = Date()
    var ids = (0..<10_000).map { _ in ULID.next(at: now) }
    // The clock was set back an hour.
    ids += (0..<100).map { _ in ULID.next(at: now - 3600) }
    // An earlier process's clock was ahead.
    ULID.follow(ULID.make(at: now + 60))
    ids += (0..<100).map { _ in ULID.next(at: now) }
    #expect(ids == ids.sorted() && Set(ids).count == ids.count)
    #expect(ids.allSatisfy { $0.utf8.count == 26 })
  }

  @Test(arguments: [
    ("5", 300), ("1:30", 90), ("00:05:00", 300), ("26:03:04", 93_784), ("1-2", 93_600), ("1-02:03", 93_780),
    ("1-02:03:04", 93_784), ("0", nil), ("99999999999999999999", nil), ("99999999", nil), ("24855-0", 2_147_472_000),
    ("x", nil), ("", nil),
  ])
  func timeLimits(_ text: String, _ seconds: Int?) {
    #expect(ValueRule.seconds(ofTimeLimit: text) == seconds)
  }
}

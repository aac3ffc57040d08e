import Foundation
import Logging
import Synchronization
import Testing

@testable import Jobs

/// Numbers that are the same again for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// What really becomes of jobs, of which the service sees only what the backend shows.
private struct World {
  struct Job {
    var id: String
    var mark: Mark
    var name: String
    var state = JobState.queued
    /// How it ended; a job that is over may be requeued all the same, and end again.
    var ending: Ending? { didSet { if let ending { endings.insert(ending) } } }
    var endings: Set<Ending> = []
    var startedAt: Date?
    var runs = 1
    /// Whether the queue still has it, and whether accounting ever will.
    var inQueue = true
    var isRecorded = true
  }

  var now = Date(timeIntervalSince1970: 1_800_000_000)
  /// By their tokens.
  var jobs: [String: Job] = [:]
  var nextID = 1
  /// What was sent and is still to be taken.
  var underWay: [(Submission, Mark)] = []
  var lists = true
  var accounts = true
  /// Whether what accounting says of jobs that are over has their marks.
  var keepsMarks = true

  mutating func accept(_ submission: Submission, _ mark: Mark) -> String {
    defer { nextID += 1 }
    jobs[mark.token] = Job(id: "\(nextID)", mark: mark, name: submission.name)
    return "\(nextID)"
  }

  /// The backend forgets its queue, and gives its ids out anew.
  mutating func reset() {
    for token in jobs.keys { jobs[token]?.inQueue = false }
    nextID = 1
  }

  func sighting(_ job: Job, source: String) -> Sighting {
    Sighting(
      backendID: job.id, mark: job.mark, name: job.name, account: "kirby", state: job.state, source: source,
      backendWord: job.state.rawValue, ending: job.ending, exitCode: job.ending == nil || source == "queue" ? nil : 0,
      startedAt: job.startedAt, endedAt: job.ending == nil ? nil : now)
  }

  var records: [Sighting] {
    jobs.values.filter { $0.isRecorded && $0.ending != nil }.map { sighting($0, source: "records") }
  }

  func observation(of asked: [Jobs.Job]) throws(BackendError) -> Observation {
    guard lists else { throw .unavailable("the queue is down") }
    var observation = Observation(
      time: now, sightings: jobs.values.filter(\.inQueue).map { sighting($0, source: "queue") }.shuffled())
    let gone = Set(asked.filter { jobs[$0.submissionToken]?.inQueue != true }.compactMap(\.backendID))
    guard !gone.isEmpty else { return observation }
    guard accounts else {
      observation.accountingFailure = "accounting is down"
      return observation
    }
    observation.sightings += records.filter { gone.contains($0.backendID) }.map { record in
      var record = record
      if !keepsMarks { record.mark = nil }
      return record
    }
    return observation
  }

  func locate(_ job: Jobs.Job) throws(BackendError) -> Sighting? {
    guard lists, accounts else { throw .unavailable("the backend is down") }
    // When this says that there is none, there is none: the deadline until which a job is looked for sees to it.
    return jobs[job.submissionToken].map { sighting($0, source: $0.inQueue ? "queue" : "records") }
  }
}

/// The backend of such a world.
private final class WorldConnector: Connector {
  enum Fate: CaseIterable { case answered, answerLost, neverArrived, refused, late }

  let world = Mutex(World())
  let fate = Mutex(Fate.answered)
  let name = "world"
  var troubles: [String] { [] }

  func preview(_ submission: Submission) throws(BackendError) -> String { submission.shownScript }
  func outputPath(of submission: Submission, token: String) -> String? { nil }

  func submit(_ submission: Submission, mark: Mark) async throws(BackendError) -> String {
    let fate = fate.withLock { $0 }
    if fate == .refused { throw .refused("no") }
    if fate == .neverArrived { throw .interrupted("cut before") }
    if fate == .late {
      world.withLock { $0.underWay.append((submission, mark)) }
      throw .interrupted("sbatch still runs")
    }
    let id = world.withLock { $0.accept(submission, mark) }
    if fate == .answerLost { throw .interrupted("cut after") }
    return id
  }

  func observe(_ jobs: [Job]) async throws(BackendError) -> Observation {
    try world.withLock { (world) throws(BackendError) in try world.observation(of: jobs) }
  }
  func locate(_ job: Job, timeout: Duration) async throws(BackendError) -> Sighting? {
    try world.withLock { (world) throws(BackendError) in try world.locate(job) }
  }
  func recall(since: Date) async throws(BackendError) -> [Sighting] {
    try world.withLock { (world) throws(BackendError) in
      guard world.accounts else { throw .unavailable("accounting is down") }
      return world.records
    }
  }
  func cancel(_ job: Job) async throws(BackendError) {
    try world.withLock { (world) throws(BackendError) in
      guard world.lists else { throw .unavailable("the queue is down") }
      guard var target = world.jobs[job.submissionToken], target.inQueue, target.ending == nil else {
        throw .notFound("gone")
      }
      (target.state, target.ending) = (.canceled, .canceled)
      world.jobs[job.submissionToken] = target
    }
  }
  func release(_ job: Job) async throws(BackendError) {}
  func describe(_ job: Job) async throws(BackendError) -> String { "" }
  func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8] { [] }
  func list(_ path: String, account: String?, roots: [String]) async throws(BackendError) -> [DirectoryEntry] { [] }
}

@Suite("The rules of a job's states hold whatever happens")
struct ModelTests {
  private static let lostAfter: TimeInterval = 60

  /// Half of them with submits that are taken late, which must not be given up before; in the others every submit that is
  /// not found is given up at once, and tried again.
  @Test(
    "Any sequence of answers, failures, requeues, cancels, restarts, ids used anew and lost stores", arguments: 1...12)
  func anySequence(seed: UInt64) async throws {
    let isLate = seed % 2 == 0
    let fates = WorldConnector.Fate.allCases.filter { isLate || $0 != .late }
    var random = SeededGenerator(state: seed)
    // In memory, since nothing here is about the disk.
    let bench = Bench(in: URL(fileURLWithPath: "/dev/shm"))
    let connector = WorldConnector()
    connector.world.withLock { $0.keepsMarks = seed % 3 != 0 }
    bench.configuration.lostAfter = Self.lostAfter
    bench.configuration.submitDeadline = isLate ? 1_000_000 : 0
    bench.configuration.settleTime = .zero
    bench.configuration.adoption = Adoption(secret: Array("a secret".utf8), accountOf: { _ in "kirby" })
    var store = try JobStore(directory: bench.directory.path)
    func service() async throws -> JobService {
      let service = JobService(
        store: store, connector: connector, configuration: bench.configuration,
        logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
      try await service.ledger.load()
      return service
    }
    var current = try await service()
    var submissions: [Submission] = []
    var reference = Reference()
    var adoptions = 0
    for step in 0..<500 {
      connector.world.withLock { $0.now += TimeInterval(Int.random(in: 1...20, using: &random)) }
      switch Int.random(in: 0..<40, using: &random) / 3 {
      case 0:
        let submission = bench.submission("job\(step)")
        submissions.append(submission)
        connector.fate.withLock { $0 = fates.randomElement(using: &random) ?? .answered }
        _ = try? await current.submit(submission, actor: "test")
      case 1:
        // Sent again, as an upstream does: never a second job.
        guard let submission = submissions.randomElement(using: &random) else { break }
        connector.fate.withLock { $0 = .answered }
        _ = try? await current.submit(submission, actor: "test")
      case 2:
        guard let submission = submissions.randomElement(using: &random) else { break }
        if let job = current.recent(submission.key) { _ = try? await current.cancel(job, actor: "test") }
      case 3: current = try await service()
      case 4:
        connector.world.withLock { ($0.lists, $0.accounts) = (Bool.random(using: &random), .random(using: &random)) }
      case 5:
        connector.world.withLock { world in
          (world.lists, world.accounts) = (true, true)
          guard !world.underWay.isEmpty else { return }
          let (submission, mark) = world.underWay.removeFirst()
          _ = world.accept(submission, mark)
        }
      case 6: if Bool.random(using: &random) { connector.world.withLock { $0.reset() } }
      case 13:
        // The store is lost. What nobody can know any more is not sent again.
        let known = connector.world.withLock { world in
          (world.lists, world.accounts) = (true, true)
          while !world.underWay.isEmpty {
            let (submission, mark) = world.underWay.removeFirst()
            _ = world.accept(submission, mark)
          }
          for token in world.jobs.keys { world.jobs[token]?.isRecorded = true }
          return world.jobs.values.filter { $0.inQueue || $0.ending != nil }
        }
        let all = connector.world.withLock { Set($0.jobs.values.map(\.name)) }
        submissions.removeAll { all.subtracting(known.map(\.name)).contains($0.name) }
        store = try JobStore(directory: bench.directory.path + "/anew-\(step)")
        current = try await service()
        current.recall.begin(adopting: true, since: .distantPast)
        _ = await current.observeOnce()
        await current.searchRecords()
        let adopted = current.ledger.table.read { Set($0.jobs.values.map(\.submissionToken)) }
        #expect(adopted == Set(known.map(\.mark.token)), "all that the backend knows, and nothing else; seed \(seed)")
        adoptions += adopted.count
      default: connector.world.withLock { Self.go($0.jobs.keys.sorted().randomElement(using: &random), &$0, &random) }
      }
      let time = connector.world.withLock { $0.now }
      let (complete, shown) = connector.world.withLock { world in
        (world.lists && world.accounts, Set(world.jobs.values.filter(\.inQueue).map(\.mark.token)))
      }
      let inFull = await current.observeOnce()
      await current.settleOnce()
      if inFull, step % 3 == 0,
        let all = try? await connector.observe(current.ledger.table.read { Array($0.jobs.values) })
      {
        // Also what is said of jobs that are over.
        await current.ledger.apply(
          all, to: current.ledger.table.read { Set($0.jobs.keys) }, lostAfter: Self.lostAfter, unbroken: true)
      }
      let jobs = current.ledger.table.read { Array($0.jobs.values) }
      try reference.check(
        jobs, in: store, world: connector.world.withLock { $0 }, observed: inFull ? shown : nil, complete: complete,
        at: time, lostAfter: Self.lostAfter, "seed \(seed), step \(step)")
    }
    #expect(reference.over.values.contains { $0.state != .lost } && adoptions > 0, "something ended, and was adopted")
  }

  /// Something happens to a job.
  private static func go(_ token: String?, _ world: inout World, _ random: inout SeededGenerator) {
    guard let token, var job = world.jobs[token], job.inQueue || job.ending != nil else { return }
    switch (job.state, Int.random(in: 0..<4, using: &random)) {
    case (.queued, 0): job.state = .held
    case (.queued, _), (.suspended, _): (job.state, job.startedAt) = (.running, job.startedAt ?? world.now)
    case (.held, _): job.state = .queued
    case (.running, 0): job.state = .suspended
    case (.running, 1):
      (job.state, job.startedAt) = (.queued, nil)
      job.runs += 1
    case (.running, let way):
      (job.state, job.ending) = way == 2 ? (.succeeded, .completed) : (.failed, .nodeFailure)
      // The queue may forget it before anybody looked, and accounting may learn of it late or never.
      (job.inQueue, job.isRecorded) = (Bool.random(using: &random), Int.random(in: 0..<3, using: &random) > 0)
    case (_, 0) where job.inQueue: (job.state, job.ending, job.startedAt, job.runs) = (.queued, nil, nil, job.runs + 1)
    case (_, 1): job.isRecorded = Int.random(in: 0..<3, using: &random) > 0
    default: job.inQueue = false
    }
    world.jobs[token] = job
  }
}

/// The rules, told from what was seen so far.
private struct Reference {
  var over: [String: Job] = [:]
  var last: [String: Job] = [:]
  /// When each token began to be missing from observations that were all complete.
  var missing: [String: Date] = [:]

  mutating func check(
    _ jobs: [Job], in store: JobStore, world: World, observed: Set<String>?, complete: Bool, at time: Date,
    lostAfter: TimeInterval, _ place: Comment
  ) throws {
    #expect(Set(world.jobs.values.map(\.mark.token)).count == world.jobs.count, "no token twice; \(place)")
    let names = world.jobs.values.map(\.name)
    #expect(Set(names).count == names.count, "submitted once, run once; \(place)")
    for job in jobs {
      let before = last[job.id]
      let truth = world.jobs.values.first { $0.mark.token == job.submissionToken }
      if let end = over[job.id] {
        // The disk keeps milliseconds.
        let apart = try #require(job.endedAt).timeIntervalSince(try #require(end.endedAt))
        #expect(job.state == end.state && job.ending == end.ending && abs(apart) < 0.01, "immutable; \(place)")
      }
      // In one list while it lives, in none when it is over.
      #expect((job.list == nil) == (job.state.isTerminal || job.state == .submitting && job.missingSince == nil), place)
      if job.state.isTerminal, job.backendID == nil {
        #expect(truth == nil, "given up, and it was there; \(place)")
      } else if job.state.isTerminal, job.state != .lost {
        #expect(job.ending.map { truth?.endings.contains($0) == true } == true, "an end that is none; \(place)")
      }
      if let observed, complete, !observed.contains(job.submissionToken) {
        missing[job.submissionToken] = missing[job.submissionToken] ?? time
      } else {
        missing[job.submissionToken] = nil
      }
      if job.state == .lost, over[job.id] == nil {
        let since = try #require(missing[job.submissionToken], "lost without being missed; \(place)")
        #expect(time.timeIntervalSince(since) >= lostAfter, "lost too early; \(place)")
        #expect(!job.reason.isEmpty, place)
      }
      if let observed, observed.contains(job.submissionToken), let truth, !truth.state.isTerminal,
        truth.endings.isEmpty,
        !job.state.isTerminal
      {
        #expect(job.state == truth.state || job.state == .canceling, "what is seen is shown; \(place)")
        #expect(job.unknownSince == nil, place)
      }
      if observed != nil, complete, job.backendID != nil, let truth, truth.ending != nil,
        truth.inQueue || truth.isRecorded
      {
        #expect(job.state.isTerminal, "an end that is shown is told; \(place)")
      }
      if let before, before.startedAt != nil, !job.state.isTerminal, job.startedAt != before.startedAt {
        #expect(job.attempt == before.attempt + 1, "back only by a requeue; \(place)")
      } else if let before {
        #expect(job.attempt == before.attempt, place)
      }
      #expect(job.attempt <= (truth?.runs ?? 1), "no attempt that was none; \(place)")
      if before?.state != job.state || before?.attempt != job.attempt {
        let events = try store.events(of: job.id)
        #expect(events.last?.to == job.state, "the last event is the state; \(place)")
        for (one, next) in zip(events, events.dropFirst()) {
          let isNewTry = one.to == .failed && next.from == nil && next.to == .submitting
          #expect(next.from == one.to || isNewTry, place)
        }
        #expect(events.allSatisfy { !$0.source.isEmpty && !$0.actor.isEmpty }, place)
      }
      if job.state.isTerminal { over[job.id] = over[job.id] ?? job }
      last[job.id] = job
    }
  }
}

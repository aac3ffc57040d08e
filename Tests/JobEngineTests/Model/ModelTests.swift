import Foundation
import JobModel
import Logging
import Synchronization
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

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

@Suite("The rules of a job's states hold whatever happens")
struct ModelTests {
  private static let lostAfter: TimeInterval = 60

  /// Half of them with submits that are taken late, which must not be given up before; in the others every submit that is
  /// not found is given up at once, and tried again.
  @Test(
    """
    Any sequence of answers, failures, requeues, cancels with and without effect, steps of the calendar, restarts, ids \
    used again, jobs that vanish and turn up, and lost stores
    """, arguments: 1...12)
  func anySequence(seed: UInt64) async throws {
    let isLate = seed % 2 == 0
    let fates = WorldConnector.Fate.allCases.filter { isLate || $0 != .late }
    var random = SeededGenerator(state: seed)
    // In memory, since nothing here is about the disk.
    let bench = Bench(in: URL(fileURLWithPath: "/dev/shm"))
    let connector = WorldConnector()
    let clock = ManualClock()
    bench.configuration.clock = clock.clock()
    connector.world.withLock { $0.keepsMarks = seed % 3 != 0 }
    bench.configuration.lostAfter = Self.lostAfter
    bench.configuration.submitDeadline = isLate ? 1_000_000 : 0
    bench.configuration.resolveTime = .zero
    bench.configuration.recoveryKey = RecoveryKey(secret: Array("a secret".utf8), accountOf: { _ in "kirby" })
    var store = try SQLiteJobStore(directory: bench.directory.path)
    func service() async throws -> JobService {
      let service = JobService(
        store: store, connector: connector, configuration: bench.configuration,
        logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
      try await service.ledger.load()
      return service
    }
    var current = try await service()
    var submissions: [JobSpec] = []
    var reference = Reference()
    var adoptions = 0
    func pass(_ seconds: TimeInterval) {
      clock.pass(seconds)
      connector.world.withLock { ($0.now, $0.calendar) = ($0.now + seconds, clock.date) }
    }
    for step in 0..<600 {
      pass(TimeInterval(Int.random(in: 1...20, using: &random)))
      switch Int.random(in: 0..<46, using: &random) / 3 {
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
      case 14:
        clock.step([-3600, 120, 3600].randomElement(using: &random) ?? 0)
        connector.world.withLock { world in
          // Many vanish, and are shown again.
          world.isHidden = Bool.random(using: &random)
          world.ignoresCancels = Bool.random(using: &random)
        }
      case 15:
        connector.world.withLock { world in
          // What the queue had forgotten is there after all, if nothing has its id.
          let ids = Set(world.jobs.values.filter(\.inQueue).map(\.id))
          for (token, job) in world.jobs where !job.inQueue && job.outcome == nil && !ids.contains(job.id) {
            world.jobs[token]?.inQueue = true
            return
          }
        }
      case 5:
        connector.world.withLock { world in
          (world.lists, world.accounts, world.isHidden) = (true, true, false)
          guard !world.underWay.isEmpty else { return }
          let (submission, mark) = world.underWay.removeFirst()
          _ = world.accept(submission, mark)
        }
      case 6: if Bool.random(using: &random) { connector.world.withLock { $0.reset() } }
      case 13:
        // The store is lost. What nobody can know any more is not sent again.
        let known = connector.world.withLock { world in
          (world.lists, world.accounts, world.isHidden) = (true, true, false)
          while !world.underWay.isEmpty {
            let (submission, mark) = world.underWay.removeFirst()
            _ = world.accept(submission, mark)
          }
          for token in world.jobs.keys { world.jobs[token]?.isRecorded = true }
          return world.jobs.values.filter { $0.inQueue || $0.outcome != nil }
        }
        let all = connector.world.withLock { Set($0.jobs.values.map(\.name)) }
        submissions.removeAll { all.subtracting(known.map(\.name)).contains($0.name) }
        store = try SQLiteJobStore(directory: bench.directory.path + "/anew-\(step)")
        current = try await service()
        current.followUps.recovery.begin(since: .distantPast)
        _ = await current.poller.poll()
        await current.followUps.recovery.searchRecords()
        let adopted = current.ledger.cache.read { Set($0.jobs.values.map(\.submissionToken)) }
        #expect(adopted == Set(known.map(\.mark.token)), "all that the backend knows, and nothing else; seed \(seed)")
        adoptions += adopted.count
      default: connector.world.withLock { Self.go($0.jobs.keys.sorted().randomElement(using: &random), &$0, &random) }
      }
      let time = connector.world.withLock { $0.now }
      let (complete, shown) = connector.world.withLock { world in (world.lists && world.accounts, world.shown) }
      await current.followUps.cancels.sendDue()
      let inFull = await current.poller.poll()
      await current.followUps.resolve()
      if inFull, step % 3 == 0,
        let all = try? await connector.snapshot(of: current.ledger.cache.read { Array($0.jobs.values) })
      {
        // Also what is said of jobs that are over.
        _ = await current.reconciler.apply(
          all, to: current.ledger.cache.read { Set($0.jobs.values.map(\.id)) },
          began: bench.configuration.clock.now, isUnbroken: true)
      }
      let jobs = current.ledger.cache.read { Array($0.jobs.values) }
      try reference.check(
        jobs, in: store, world: connector.world.withLock { $0 }, observed: inFull ? shown : nil, complete: complete,
        at: time, lostAfter: Self.lostAfter, "seed \(seed), step \(step)")
    }
    #expect(reference.over.values.contains { $0.state != .lost } && adoptions > 0, "something ended, and was adopted")
    // Once all is well again, no cancel is left without effect.
    connector.world.withLock { world in
      (world.lists, world.accounts, world.isHidden, world.ignoresCancels) = (true, true, false, false)
    }
    for _ in 0..<40 {
      pass(20)
      _ = await current.poller.poll()
      await current.followUps.resolve()
      await current.followUps.cancels.sendDue()
    }
    let left = connector.world.withLock { world in Set(world.jobs.values.filter(\.inQueue).map(\.mark.token)) }
    let canceling = current.ledger.cache.read { $0.jobs.values.filter { $0.state == .canceling } }
    #expect(!canceling.contains { left.contains($0.submissionToken) }, "canceled in vain; seed \(seed)")
  }

  /// Something happens to a job.
  private static func go(_ token: String?, _ world: inout World, _ random: inout SeededGenerator) {
    guard let token, var job = world.jobs[token], job.inQueue || job.outcome != nil else { return }
    switch (job.state, Int.random(in: 0..<4, using: &random)) {
    case (.queued, 0): job.state = .held
    case (.queued, _), (.suspended, _): (job.state, job.startedAt) = (.running, job.startedAt ?? world.now)
    case (.held, _): job.state = .queued
    case (.running, 0): job.state = .suspended
    case (.running, 1):
      (job.state, job.startedAt) = (.queued, nil)
      job.runs += 1
    case (.running, let way):
      (job.state, job.outcome) = way == 2 ? (.succeeded, .succeeded) : (.failed, .nodeFailure)
      // The queue may forget it before anybody looked, and accounting may learn of it late or never.
      (job.inQueue, job.isRecorded) = (Bool.random(using: &random), Int.random(in: 0..<3, using: &random) > 0)
    case (_, 0) where job.inQueue: (job.state, job.outcome, job.startedAt, job.runs) = (.queued, nil, nil, job.runs + 1)
    case (_, 1): job.isRecorded = Int.random(in: 0..<3, using: &random) > 0
    default: job.inQueue = false
    }
    world.jobs[token] = job
  }
}

/// The rules, told from what was seen so far.
private struct Reference {
  var over: [JobID: Job] = [:]
  var last: [JobID: Job] = [:]
  /// When each token began to be missing from observations that were all complete.
  var missing: [String: Date] = [:]

  mutating func check(
    _ jobs: [Job], in store: SQLiteJobStore, world: World, observed: Set<String>?, complete: Bool, at time: Date,
    lostAfter: TimeInterval, _ place: Comment
  ) throws {
    #expect(Set(world.jobs.values.map(\.mark.token)).count == world.jobs.count, "no token twice; \(place)")
    let names = world.jobs.values.map(\.name)
    #expect(Set(names).count == names.count, "submitted once, run once; \(place)")
    for job in jobs {
      let before = last[job.id]
      let truth = world.jobs.values.first { $0.mark.token == job.submissionToken }
      if let end = over[job.id], end.state == .lost, job.state != .lost {
        #expect(truth != nil && job.reason.hasPrefix("found again") || job.state == .canceling, "corrected; \(place)")
        over[job.id] = nil
      } else if let end = over[job.id] {
        // The disk keeps milliseconds.
        let apart = try #require(job.endedAt).timeIntervalSince(try #require(end.endedAt))
        #expect(job.state == end.state && job.hasSameEnd(as: end) && abs(apart) < 0.01, "immutable; \(place)")
      }
      // In one list while it lives, in none when it is over.
      #expect((job.list == nil) == (job.state.isTerminal || job.state == .submitting && job.inDoubtSince == nil), place)
      if job.state.isTerminal, job.backendID == nil {
        #expect(truth == nil, "given up, and it was there; \(place)")
      } else if job.state.isTerminal, job.state != .lost {
        #expect(
          job.outcome.map { end in truth?.outcomes.contains { $0.agrees(with: end) } == true } == true,
          "an end that is none; \(place)")
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
        truth.outcomes.isEmpty,
        !job.state.isTerminal
      {
        #expect(job.state == truth.state || job.state == .canceling, "what is seen is shown; \(place)")
        #expect(job.contact.unreachableSince == nil, place)
      }
      if let observed, observed.contains(job.submissionToken), let truth, truth.outcome == nil {
        #expect(job.state != .lost, "what is seen is not lost; \(place)")
      }
      if observed != nil, complete, job.backendID != nil, let truth, truth.outcome != nil,
        truth.inQueue && !world.isHidden || truth.isRecorded
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

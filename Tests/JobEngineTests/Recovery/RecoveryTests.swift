import Foundation
import Testing

@testable import JobEngine
@testable import JobModel
@testable import JobStoreSQLite

@Suite("Jobs that a lost store did not know are recovered from the backend")
struct RecoveryTests {
  let bench = Bench()
  /// What a service that was started has running: polls, follow-ups and retention.
  private static let tasks = 3

  private func recoveryKey(_ secret: String = "secret", account: String = "kirby") -> RecoveryKey {
    RecoveryKey(secret: Array(secret.utf8), accountOf: { $0 == "kirby@example.com" ? account : nil })
  }

  private func report(
    _ submission: JobSpec, secret: String = "secret", token: String = "01TOKEN"
  ) -> JobReport {
    let mark = recoveryKey(secret).mark(of: submission, token: token, fingerprint: submission.fingerprint)
    return JobReport(
      backendID: "5", mark: Mark("\(mark) and more"), name: submission.name, account: submission.account,
      state: .running, source: "squeue", backendWord: "RUNNING")
  }

  @Test("A job with our mark is recovered; the same submit again gets its id, another is refused")
  func recovered() async throws {
    bench.configuration.recoveryKey = recoveryKey()
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

  @Test("What is not proven ours is not recovered", arguments: notOurs.indices)
  func foreign(index: Int) async throws {
    bench.configuration.recoveryKey = recoveryKey()
    let service = try bench.service()
    var report = report(bench.submission())
    Self.notOurs[index].1(&report)
    bench.connector.observes(report)
    _ = await service.poller.poll()
    #expect(service.ledger.cache.read { $0.jobs.isEmpty }, "\(Self.notOurs[index].0)")
  }

  @Test("A mark of another installation, or of an owner whose account is another now, recovers nothing")
  func otherSecret() async throws {
    for key in [recoveryKey("another"), recoveryKey(account: "mario")] {
      bench.configuration.recoveryKey = key
      let service = try bench.service()
      bench.connector.observes(report(bench.submission()))
      _ = await service.poller.poll()
      #expect(service.ledger.cache.read { $0.jobs.isEmpty })
    }
  }

  @Test("A job that is over when it is recovered is kept as long as any, and no longer")
  func over() async throws {
    bench.configuration.recoveryKey = recoveryKey()
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
    bench.configuration.recoveryKey = recoveryKey()
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
    bench.configuration.recoveryKey = recoveryKey()
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
    bench.configuration.recoveryKey = recoveryKey()
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

  @Test("A job that is submitted while one of its name is recovered keeps its row")
  func submittedMeanwhile() async throws {
    let service = try bench.service()
    for number in 1...60 {
      let submission = bench.submission("job\(number)")
      let shown = report(submission, token: "01TOKEN\(number)")
      let seen = recoveryKey().job(shownBy: shown, connector: bench.connector, at: Date())
      async let recovered = service.ledger.recover(try #require(seen))
      for _ in 0..<number { await Task.yield() }
      let job = Job(submission, fingerprint: "f", connector: bench.connector, now: Date())
      let isInserted: Void? = try? await service.ledger.insert(
        job, shownScript: "", actor: "test", idempotencyKey: nil)
      let isRecovered = try await recovered
      #expect((isInserted != nil) != isRecovered)
      let kept = try await service.ledger.store.job(submission.key)
      #expect(kept?.id == service.recent(submission.key)?.id && kept?.isAdopted == isRecovered)
    }
  }

  @Test("A job of ours that the store knows under another mark is left alone")
  func nameTaken() async throws {
    bench.configuration.recoveryKey = recoveryKey()
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    bench.connector.observes(report(bench.submission()))
    _ = await service.poller.poll()
    #expect(service.recent(bench.submission().key)?.backendID == "1")
  }
}

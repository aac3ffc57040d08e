import Foundation
import JobEngine
import JobModel
import Logging
import Testing

@testable import GPUConnector
@testable import JobStoreSQLite

/// A service whose jobs run on this machine, in a directory of its own.
private final class Machine: Sendable {
  let directory: URL
  let service: JobService

  init(
    in directory: URL = FileManager.default.temporaryDirectory.appendingPathComponent("weir-here-\(UUID().uuidString)"),
    state: String = "state", gpus: Int? = 2
  ) async throws {
    self.directory = directory
    var configuration = GPUConnector.Configuration()
    configuration.sweepInterval = .milliseconds(500)
    configuration.grace = .seconds(1)
    configuration.ownerPatience = .init(time: .seconds(1), sweeps: 3)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let connector = try GPUConnector(
      .thisMachine(root: directory.path + "/root", gpus: gpus), configuration: configuration, logger: logger)
    var jobs = JobService.Configuration()
    jobs.pollInterval = .milliseconds(200)
    jobs.recoveryKey = RecoveryKey(secret: Array("a secret".utf8), accountOf: { $0 })
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    service = JobService(
      store: try SQLiteJobStore(directory: directory.path + "/" + state), connector: connector, configuration: jobs,
      logger: logger)
    try await service.start()
    try await until { self.service.trouble == nil }
  }

  func end() async {
    await service.stop()
    try? FileManager.default.removeItem(at: directory)
  }

  func submit(
    _ name: String, _ script: String, gpus: Int = 1, held: Bool = false, limit: String? = nil
  ) async throws -> JobKey {
    let submission = JobSpec(
      name: name, number: 1, owner: "kirby", account: "kirby", nodes: 1, coresPerNode: 1, gpusPerNode: gpus,
      timeLimit: limit, held: held, request: script, script: script, shownScript: script)
    _ = try await service.submit(submission, actor: "kirby")
    return submission.key
  }

  func job(_ key: JobKey) throws -> Job { try #require(service.recent(key)) }

  /// The job once it is in a state.
  @discardableResult
  func settled(_ key: JobKey, _ states: JobState...) async throws -> Job {
    try await until { try states.contains(self.job(key).state) }
    return try job(key)
  }

  /// Waits until the job has printed this.
  func printed(_ key: JobKey, _ text: String) async throws {
    let deadline = ContinuousClock.now + .seconds(120)
    while !String(decoding: try await service.tailSource(of: job(key), lines: 10_000).bytes(), as: UTF8.self)
      .contains(text)
    {
      try #require(ContinuousClock.now < deadline)
      try await Task.sleep(for: .milliseconds(50))
    }
  }
}

private func until(_ condition: () throws -> Bool) async throws {
  let deadline = ContinuousClock.now + .seconds(120)
  while try !condition() {
    try #require(ContinuousClock.now < deadline)
    try await Task.sleep(for: .milliseconds(10))
  }
}

@Suite("Jobs on this machine", .serialized) struct ThisMachineTests {
  @Test("A job's end, code and output are what they are, and so are its GPUs")
  func ends() async throws {
    let machine = try await Machine()
    let good = try await machine.submit("good", "echo $CUDA_VISIBLE_DEVICES; exit 0\n", gpus: 2)
    let bad = try await machine.submit("bad", "exit 3\n")
    let killed = try await machine.submit("killed", "kill -s KILL $$\n", gpus: 0)
    let job = try await machine.settled(good, .succeeded)
    #expect(job.outcome?.exitCode == 0 && job.devices.map(\.index) == [0, 1] && job.nodes == ["local"])
    #expect(try await machine.service.finalOutput(job) == Array("0,1\n".utf8))
    let failed = try await machine.settled(bad, .failed)
    #expect(failed.outcome == Outcome(.failed, exitCode: 3) && failed.reason == "exit status 3")
    let shot = try await machine.settled(killed, .failed)
    #expect(shot.outcome == Outcome(.failed, signal: 9))
    await machine.end()
  }

  @Test("A held job waits, is released, stopped, goes on, gets a signal, and is canceled")
  func acts() async throws {
    let machine = try await Machine()
    let service = machine.service
    let key = try await machine.submit(
      "acts", "trap 'echo signal' USR1\nwhile :; do echo tick; sleep 0.05; done\n", held: true)
    try await Task.sleep(for: .milliseconds(300))
    #expect(try machine.job(key).state == .held)
    try await service.release(machine.job(key), actor: "kirby")
    try await machine.settled(key, .running)
    // It is running before its shell has read the first line.
    try await machine.printed(key, "tick")
    await #expect(throws: JobError.self) { try await service.hold(machine.job(key), actor: "kirby") }
    try await service.suspend(machine.job(key))
    try await machine.settled(key, .suspended)
    let before = try await service.tailSource(of: machine.job(key), lines: 10_000).bytes()
    try await Task.sleep(for: .milliseconds(300))
    #expect(try await service.tailSource(of: machine.job(key), lines: 10_000).bytes() == before)
    try await service.resume(machine.job(key))
    try await machine.settled(key, .running)
    try await service.signal(machine.job(key), "USR1")
    try await machine.printed(key, "signal")
    await #expect(throws: JobError.self) { try await service.signal(machine.job(key), "NOSUCH") }
    try await service.cancel(machine.job(key), actor: "kirby")
    let over = try await machine.settled(key, .canceled)
    #expect(over.reason == "canceled by kirby")
    await machine.end()
  }

  @Test("A held job that waits in the queue can be held again, and is canceled at once")
  func queued() async throws {
    let machine = try await Machine(gpus: 1)
    let long = try await machine.submit("long", "sleep 60\n")
    try await machine.settled(long, .running)
    let next = try await machine.submit("next", "true\n")
    let last = try await machine.submit("last", "true\n")
    #expect(try await machine.service.describe(machine.job(last)).contains("Place 2 of 2"))
    try await machine.service.hold(machine.job(next), actor: "kirby")
    try await machine.service.cancel(machine.job(long), actor: "kirby")
    try await machine.settled(last, .succeeded)
    #expect(try machine.job(next).state == .held)
    try await machine.service.cancel(machine.job(next), actor: "kirby")
    try await machine.settled(next, .canceled)
    await machine.end()
  }

  @Test("A job past its time limit is ended, and says so")
  func timeLimit() async throws {
    let machine = try await Machine()
    let key = try await machine.submit("long", "trap '' TERM; sleep 60; sleep 60\n", limit: "00:00:01")
    let job = try await machine.settled(key, .failed)
    #expect(job.outcome?.cause == .timeLimit && job.reason == "it reached its time limit")
    await machine.end()
  }

  @Test("What can never run is refused, and says why")
  func refusals() async throws {
    let machine = try await Machine(gpus: 1)
    for (gpus, script, word) in [(2, "true\n", "1 GPU"), (0, "\0", "NUL")] {
      do {
        _ = try await machine.submit("refused", script, gpus: gpus)
        Issue.record("\(word) was taken")
      } catch JobError.refused(let reason) {
        #expect(reason.contains(word), "\(reason)")
      }
    }
    await machine.end()
  }

  @Test("A Weir whose store was lost finds the jobs by their directories")
  func adoption() async throws {
    let first = try await Machine(gpus: 1)
    let ended = try await first.submit("ended", "echo done; exit 4\n")
    try await first.settled(ended, .failed)
    let running = try await first.submit("running", "until [ -e go ]; do sleep 0.1; done; echo went\n")
    let job = try await first.settled(running, .running)
    await first.service.stop()
    let second = try await Machine(in: first.directory, state: "other", gpus: 1)
    try await until { second.service.recent(running) != nil && second.service.recent(ended) != nil }
    let found = try second.job(running)
    #expect(found.state == .running && found.owner == "kirby" && found.devices == job.devices)
    #expect(try second.job(ended).outcome?.exitCode == 4)
    #expect(try await second.service.finalOutput(second.job(ended)) == Array("done\n".utf8))
    // Its GPU is its own.
    let next = try await second.submit("next", "true\n")
    try await Task.sleep(for: .milliseconds(500))
    #expect(try second.job(next).state == .queued)
    let work = first.directory.path + "/root/jobs/\(job.submissionToken)/attempt-1/work"
    try Data().write(to: URL(fileURLWithPath: work + "/go"))
    try await second.settled(running, .succeeded)
    try await second.settled(next, .succeeded)
    await second.end()
  }
}

import Foundation
import Synchronization
import Testing

@testable import DummyConnector
@testable import JobEngine
@testable import JobModel

@Suite("What the dummy connector remembers")
struct DummyMemoryTests {
  private let bench = Bench()
  private let clock = ManualClock()

  private func dummy() -> DummyConnector {
    var configuration = DummyConnector.Configuration()
    (configuration.queuedTime, configuration.runningTime) = (5, 10)
    let clock = clock.clock()
    return DummyConnector(configuration: configuration, now: { clock.now })
  }

  private func submitted(_ connector: DummyConnector, _ name: String = "job") async throws -> Job {
    var job = Job(bench.submission(name), fingerprint: "", connector: connector, now: clock.date)
    job.backendID = try await connector.submit(bench.submission(name), mark: Mark(token: job.submissionToken))
    job.lifecycle = .queued(since: nil)
    return job
  }

  @Test("Jobs that are not asked about any more are forgotten, those of others are not")
  func forgotten() async throws {
    let connector = dummy()
    for number in 0..<100 { _ = try await submitted(connector, "gone-\(number)") }
    let job = try await submitted(connector)
    #expect(connector.remembered == 101)
    clock.pass(120)
    _ = try await connector.submit(bench.submission("new"), mark: Mark(token: ULID.next()))
    clock.pass(1)
    let seen = try await connector.snapshot(of: [job]).reports
    #expect(seen.first?.isEnd == true)
    #expect(connector.remembered == 1, "the new one, which nobody has asked about yet")
  }

  @Test("A job that waits long between two polls goes on at its age")
  func age() async throws {
    let connector = dummy()
    let job = try await submitted(connector)
    clock.pass(2)
    #expect(try await connector.snapshot(of: [job]).reports.first?.state == .queued)
    clock.pass(6)
    #expect(try await connector.snapshot(of: [job]).reports.first?.state == .running)
  }

  @Test("A job that ends is forgotten at once")
  func ended() async throws {
    let connector = dummy()
    var job = try await submitted(connector)
    job.lifecycle = .canceling
    #expect(try await connector.snapshot(of: [job]).reports.first?.state == .canceled)
    #expect(connector.remembered == 0)
  }
}

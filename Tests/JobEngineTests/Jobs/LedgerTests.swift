import Foundation
import JobModel
import Synchronization
import Testing

@testable import JobEngine
@testable import JobStoreSQLite

@Suite("The ledger")
struct LedgerTests {
  let bench = Bench()

  @Test("A restarted service knows its jobs")
  func restart() async throws {
    let first = try bench.service()
    _ = try await first.submit(bench.submission("a"), actor: "test")
    bench.connector.change { $0.submit = { _, _ in "2" } }
    _ = try await first.submit(bench.submission("b"), actor: "test")
    let job = try #require(first.recent(bench.submission("a").key))
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await first.poller.poll()
    let second = try bench.service()
    try await second.start()
    #expect(second.recent(bench.submission("a").key)?.state == .succeeded)
    #expect(second.recent(bench.submission("b").key)?.backendID == "2")
    await second.stop()
  }

  @Test("A job that ended long ago leaves memory and is found on disk")
  func longAgo() async throws {
    bench.configuration.recentCount = 0
    let service = try bench.service()
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    bench.connector.observes(bench.report(job, .succeeded, .succeeded))
    _ = await service.poller.poll()
    bench.connector.observes()
    _ = await service.poller.poll()
    #expect(service.recent(job.key) == nil)
    #expect(try await service.find(job.key)?.state == .succeeded)
  }

  @Test("The bus carries each recorded change once, as the store has it, and nothing before it is shown")
  func published() async throws {
    let service = try bench.service()
    let events = Mutex<[JobEvent]>([])
    let subscription = service.bus.subscribe { change in
      #expect(service.recent(change.job.key) == change.job)
      if let event = change.event { events.withLock { $0.append(event) } }
    }
    _ = try await service.submit(bench.submission(), actor: "test")
    let job = try #require(service.recent(bench.submission().key))
    for (state, outcome) in [(.running, nil), (.running, nil), (.succeeded, .succeeded)] as [(JobState, Outcome?)] {
      bench.connector.observes(bench.report(job, state, outcome))
      _ = await service.poller.poll()
    }
    let published = events.withLock { $0 }
    let stored = try service.ledger.store.events(of: job.id)
    #expect(published.map(\.to) == [.submitting, .queued, .running, .succeeded])
    #expect(published.map(\.to) == stored.map(\.to) && published.map(\.actor) == stored.map(\.actor))
    subscription.cancel()
  }
}

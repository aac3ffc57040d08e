import Foundation
import Testing

@testable import JobEngine

@Suite("A slow backend")
struct SlowBackendTests {
  let bench = Bench()
  let clock = ManualClock()

  @Test("One slow answer does not put off the next look until the lists are too old to be served")
  func slowAnswer() async throws {
    bench.configuration.clock = clock.clock()
    bench.configuration.pollInterval = .milliseconds(50)
    bench.configuration.earlyPollInterval = .milliseconds(50)
    bench.configuration.staleAfter = .seconds(4)
    bench.connector.change { $0.slowness = .seconds(2) }
    let service = try bench.service()
    try await service.start()
    // Polls, follow-ups and retention: all of them wait for time to go on.
    let tasks = 3
    await clock.sleepers(tasks)
    while (try? service.list(.running)) == nil {
      clock.pass(0.02)
      await clock.sleepers(tasks)
    }
    bench.connector.change { $0.slowness = .zero }
    // Five times the cost of the slow answer would be until ten seconds from now.
    for _ in 0..<60 {
      _ = try service.list(.running)
      clock.pass(0.1)
      await clock.sleepers(tasks)
    }
    await service.stop()
  }
}

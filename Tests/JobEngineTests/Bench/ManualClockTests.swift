import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("The clock that tests move by hand", .timeLimit(.minutes(1)))
struct ManualClockTests {
  let clock = ManualClock()

  @Test("Sleepers wake when their time has come, and not before")
  func sleepers() async throws {
    let (early, late) = (
      Task { try await clock.sleep(for: .seconds(1)) }, Task { try await clock.sleep(for: .seconds(3)) }
    )
    await clock.sleepers(2)
    clock.pass(2)
    try await early.value
    clock.pass(0.5)
    late.cancel()
    await #expect(throws: CancellationError.self) { try await late.value }
  }

  @Test("Both clocks pass together; the calendar alone is stepped")
  func clocks() {
    let (date, now) = (clock.date, clock.now)
    clock.pass(10)
    clock.step(-100)
    #expect(clock.date == date - 90 && clock.now == now + .seconds(10))
  }

  @Test("Time goes from sleep to sleep while something is done")
  func running() async throws {
    let begin = clock.now
    try await clock.running(whenAsleep: 1) {
      for _ in 0..<5 { try await clock.sleep(for: .seconds(60)) }
    }
    #expect(clock.now == begin + .seconds(300))
  }
}

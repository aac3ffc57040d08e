import JobModel
import Support
import Testing

@testable import JobEngine

@Suite("A sleep that others can end", .timeLimit(.minutes(1)))
struct WakeupTests {
  let clock = ManualClock()
  let wakeup: Wakeup

  init() {
    let clock = clock.clock()
    wakeup = Wakeup { try await clock.sleep(for: $0) }
  }

  @Test("It lasts its time")
  func time() async {
    async let sleep: Void = wakeup.sleep(for: .seconds(10))
    await clock.sleepers(1)
    clock.pass(10)
    await sleep
  }

  @Test("A signal ends it, one that came before as well")
  func signaled() async {
    wakeup.signal()
    await wakeup.sleep(for: .seconds(10))
    async let sleep: Void = wakeup.sleep(for: .seconds(10))
    await clock.sleepers(1)
    wakeup.signal()
    await sleep
  }

  @Test("A canceled task sleeps no longer")
  func canceled() async {
    let sleeper = Task { await wakeup.sleep(for: .seconds(10)) }
    await clock.sleepers(1)
    sleeper.cancel()
    await sleeper.value
  }
}

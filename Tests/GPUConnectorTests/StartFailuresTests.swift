import Testing

@testable import GPUConnector

@Suite("Failures to start jobs")
struct StartFailuresTests {
  @Test("After the third in a row the server gets no jobs, and after it each one counts")
  func quarantine() {
    var failures = StartFailures(most: 3, quarantine: .seconds(60))
    let isEnough = (0..<3).map { _ in failures.add() }
    #expect(isEnough == [false, false, true])
    let first = failures.quarantine()
    let isEnoughAtOnce = failures.add()
    let second = failures.quarantine()
    #expect(first == .seconds(60) && isEnoughAtOnce && second == .seconds(120))
  }

  @Test("A start that succeeds ends the row")
  func success() {
    var failures = StartFailures(most: 2, quarantine: .seconds(60))
    var isEnough: [Bool] = []
    for _ in 0..<2 {
      isEnough.append(failures.add())
      failures.end()
    }
    isEnough += [failures.add(), failures.add()]
    #expect(isEnough == [false, false, false, true])
    _ = failures.quarantine()
    failures.end()
    let pause = failures.quarantine()
    #expect(pause == .seconds(60))
  }

  @Test("It is never longer than an hour")
  func longest() {
    var failures = StartFailures(most: 1, quarantine: .seconds(60))
    let pauses = (0..<9).map { _ in failures.quarantine() }
    #expect(pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600].map { .seconds($0) })
  }
}

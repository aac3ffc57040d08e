import Testing

@testable import GPUConnector

@Suite("Failures to start jobs")
struct StartFailuresTests {
  @Test("After the third in a row the server gets no jobs, and after it each one counts")
  func quarantine() {
    var failures = StartFailures(most: 3, quarantine: .seconds(60))
    #expect([failures.add(), failures.add(), failures.add()] == [false, false, true])
    #expect(failures.quarantine() == .seconds(60))
    #expect(failures.add())
    #expect(failures.quarantine() == .seconds(120))
  }

  @Test("A start that succeeds ends the row")
  func success() {
    var failures = StartFailures(most: 2, quarantine: .seconds(60))
    #expect(!failures.add())
    failures.end()
    #expect(!failures.add() && failures.add())
    _ = failures.quarantine()
    failures.end()
    #expect(!failures.add() && failures.add() && failures.quarantine() == .seconds(60))
  }

  @Test("It is never longer than an hour")
  func longest() {
    var failures = StartFailures(most: 1, quarantine: .seconds(60))
    let pauses = (0..<9).map { _ in failures.quarantine() }
    #expect(pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600].map { .seconds($0) })
  }
}

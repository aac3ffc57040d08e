import Testing

@testable import GPUConnector

@Suite("Attempts that are said to have ended")
struct EndHintsTests {
  private let one = AttemptID(job: "A", number: 1)
  private let two = AttemptID(job: "B", number: 1)

  @Test("Each is taken once")
  func once() {
    let hints = EndHints()
    #expect(hints.isEmpty && hints.take(starting: []).isEmpty)
    hints.insert([one, two])
    #expect(!hints.isEmpty && hints.take(starting: []) == [one, two])
    #expect(hints.isEmpty && hints.take(starting: []).isEmpty)
  }

  @Test("What ends before its start was answered waits for the answer")
  func early() {
    let hints = EndHints()
    hints.insert([one, two])
    #expect(hints.take(starting: [one]) == [two])
    #expect(hints.isEmpty)
    #expect(!hints.startAnswered(two) && hints.isEmpty)
    #expect(hints.startAnswered(one) && !hints.isEmpty)
    #expect(hints.take(starting: []) == [one])
    #expect(!hints.startAnswered(one))
  }
}

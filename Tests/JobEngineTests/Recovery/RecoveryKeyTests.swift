import Foundation
import JobModel
import Testing

@testable import JobEngine

@Suite("The key by which jobs are recovered")
struct RecoveryKeyTests {
  let bench = Bench()

  private func recoveryKey(_ secret: String = "secret", account: String = "kirby") -> RecoveryKey {
    RecoveryKey(secret: Array(secret.utf8), accountOf: { $0 == "kirby@example.com" ? account : nil })
  }

  @Test("A mark survives being written and read, whatever the owner is called")
  func marks() throws {
    for owner in ["kirby@example.com", "a b:c%d'\"\n", "ü名"] {
      var submission = bench.submission()
      submission.owner = owner
      let mark = recoveryKey().mark(of: submission, token: "01TOKEN", fingerprint: "f")
      #expect(Mark(mark.description) == mark)
      #expect(mark.description.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ":%._@-".contains($0)) })
    }
    #expect(Mark("01TOKEN") == Mark(token: "01TOKEN"))
    for text in ["", ":1:a:b:c", " x"] { #expect(Mark(text) == nil) }
    #expect(Mark("T:x:a:b:c")?.claim == nil && Mark("T:1:%:b:c")?.claim == nil && Mark("T:1:%4:b:c")?.claim == nil)
  }
}

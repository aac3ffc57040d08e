import Foundation
import JobStore
import Testing

@testable import JobStoreSQLite

@Suite("What is said to other accounts than the store's")
struct StoreAdviceTests {
  private static func name(_ user: uid_t) -> String { [0: "root", 900: "weir", 901: "a b"][user] ?? String(user) }

  @Test(
    "The command that mends it takes the store from no service",
    arguments: [
      // A command of root on the store of the service.
      (900, 0, false, true, "run this command as weir: `sudo -u weir weir ...`"),
      (900, 902, false, true, "run this command as weir: `sudo -u weir weir ...`"),
      (901, 0, false, true, "run this command as a b: `sudo -u 'a b' weir ...`"),
      // A copy that root put back, a directory that root made.
      (0, 900, false, true, "run `chown -R weir /state`"), (0, 900, false, false, "run `chown -R weir /state`"),
      (0, 900, true, true, "run `chown weir /state`"), (900, 0, true, true, "run `chown root /state`"),
      // A directory without a store, such as a home.
      (902, 900, false, false, "run it as 902, or name a directory inside it, which Weir makes"),
    ] as [(uid_t, uid_t, Bool, Bool, String)])
  func foreign(owner: uid_t, user: uid_t, isInside: Bool, holdsStore: Bool, advice: String) {
    let sentence = StateDirectory.foreign(
      "/state", owner, isInside: isInside, holdsStore: holdsStore, user: user, name: Self.name)
    let names = (Self.name(owner), Self.name(user))
    #expect(sentence == "/state belongs to \(names.0), and this process runs as \(names.1); \(advice)")
  }

  @Test("A directory without a store is said to have none")
  func missing() throws {
    let error = #expect(throws: StoreError.self) { try SQLiteJobStore.check(directory: "/nonexistent") }
    #expect(error?.description == "there is no job store in /nonexistent; name its directory with --state-dir")
  }

  @Test("The check of a damaged store does not advise to run the check")
  func damaged() {
    let error = StoreError.damaged("file is not a database")
    for (text, steps) in [(error.description, 3), (error.descriptionOfCheck, 2)] {
      #expect(text.contains("weir store check") == (steps == 3))
      #expect(text.contains("weir.sqlite is damaged: file is not a database\n  1. Keep a copy"))
      #expect(text.contains("\n  \(steps). Replace weir.sqlite") && !text.contains("\n  \(steps + 1). "))
    }
    #expect(StoreError.unusable("x").descriptionOfCheck == "x")
  }
}

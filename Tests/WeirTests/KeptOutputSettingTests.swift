import Testing

@testable import weir

@Suite("How long the output of a job that was ended by hand is kept")
struct KeptOutputSettingTests {
  @Test(
    "As long as the setting says, and a week",
    arguments: [([:], 86_400), (["WEIR_KEEP_OUTPUT": ""], 86_400), (["WEIR_KEEP_OUTPUT": "4"], 4)]
      as [([String: String], Int)])
  func kept(environment: [String: String], seconds: Int) throws {
    #expect(try Settings.unclaimedOutput(environment) == Double(seconds + 7 * 86_400))
  }

  @Test("A wrong setting is refused by its name", arguments: ["0", "-1", "soon", "31536001", "+4"])
  func wrong(value: String) {
    let error = #expect(throws: SettingsError.self) { try Settings.unclaimedOutput(["WEIR_KEEP_OUTPUT": value]) }
    #expect(error?.faults.map(\.name) == ["WEIR_KEEP_OUTPUT"])
  }
}

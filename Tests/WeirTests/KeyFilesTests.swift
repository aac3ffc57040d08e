import Foundation
import Logging
import Testing
import Tokens

@testable import weir

@Suite("The key files while the service runs")
struct KeyFilesTests {
  private static let claims = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInN1YiI6ImtpcmJ5In0."
  /// Secrets, and a token signed with each; good until the year 2100.
  private static let first = "a secret of thirty-two bytes or more"
  private static let firsts = claims + "jmvjbGmR0LajlzNxeTY2NQ2vkp3Y3ketDH2L45on6SE"
  private static let second = "another secret of thirty-two bytes or more"
  private static let seconds = claims + "qqKzGscYl4Etf_gANZw4MQ5cNHVfkZ7GFrZrxymU4FA"

  @Test("A key that changes counts, at once when it is looked at; a broken one changes nothing and is told of")
  func change() async throws {
    let files = try Files()
    let paths = [try files.write("a", Self.first)]
    let verifier = try TokenVerifier(keys: paths.map { try TokenSettings.key(in: $0) })
    let keys = KeyFiles(paths, verifier: verifier, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    func isGood(_ token: String) async -> Bool { (try? await verifier.verify(token)) != nil }
    keys.refresh()
    #expect(await isGood(Self.firsts))
    #expect(await !isGood(Self.seconds))

    for broken in ["short", "-----BEGIN PUBLIC KEY-----\n"] {
      _ = try files.write("a", broken)
      keys.refresh()
      #expect(keys.warning?.contains(paths[0]) == true && keys.warning?.contains(broken) == false)
      #expect(await isGood(Self.firsts))
    }
    try FileManager.default.removeItem(atPath: paths[0])
    keys.refresh()
    #expect(keys.warning?.contains("cannot be read") == true)

    _ = try files.write("a", Self.second)
    keys.refresh()
    #expect(keys.warning == nil)
    #expect(await isGood(Self.seconds))
    #expect(await !isGood(Self.firsts), "what was verified with the old key is forgotten")
  }
}

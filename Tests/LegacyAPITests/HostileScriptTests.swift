import Foundation
import HTTP
import Testing

@testable import LegacyAPI

@Suite("Scripts that would make much of little")
struct HostileScriptTests {
  @Test(
    "The field for the downstream's parameters is expanded once; a second one is refused where it stands",
    arguments: [
      (["{DOWNSTREAM_PARAMETERS}", "{DOWNSTREAM_PARAMETERS}"], "line 2, column 1"),
      (["{DOWNSTREAM_PARAMETERS}{DOWNSTREAM_PARAMETERS}"], "line 1, column 24"),
      (["x {DOWNSTREAM_PARAMETERS}", "# {DOWNSTREAM_PARAMETERS}"], "line 2, column 3"),
    ])
  func twice(lines: [String], place: String) throws {
    let refused = try #require(refusal(lines))
    #expect(refused.status == 422)
    #expect(refused.message.contains(place) && refused.message.contains("occurs twice"))
  }

  @Test("One field is replaced, wherever it stands, and the text around it stays", arguments: [0, 1, 2])
  func once(place: Int) throws {
    var lines = ["# a {{b}}", "c"]
    lines.insert("{DOWNSTREAM_PARAMETERS}", at: place)
    let script = try submission(lines).script
    #expect(script.contains("# a {b}\n") && script.contains("\nc\n") && script.contains("export JARVICE_CMD="))
    #expect(!script.contains("DOWNSTREAM_PARAMETERS"))
  }

  @Test("Devices are counted before they are kept")
  func devices() throws {
    let many = Array(repeating: "\"sbatch_mem=1\"", count: 65).joined(separator: ",")
    let refused = try #require(refusal(["JOBOBJ_DEVICES=[\(many)]"]))
    #expect(refused.status == 422 && refused.message.contains("at most 64"))
    let values = Array(repeating: "0", count: 30_000).joined(separator: ",")
    #expect(refusal(["JOBOBJ_DEVICES=[\(values)]"])?.status == 422)
  }

  @Test(
    "What is repeated of a value is short, however long a single character of it is",
    arguments: [
      "JARVICE_CPU_CORES=1" + String(repeating: "\u{301}", count: 20_000),
      "JOBOBJ_DEVICES=[\"x" + String(repeating: "\u{301}", count: 20_000) + "\"]",
      "JOBOBJ_DEVICES=[\"x" + String(repeating: "\u{301}", count: 20_000) + "=1\"]",
    ])
  func shown(line: String) throws {
    let refused = try #require(refusal([line]))
    #expect(refused.status == 422 && refused.message.utf8.count < 600)
  }

  @Test("A missing line about interactive jobs is named, with what it counts as and what to write")
  func interactive() throws {
    let lines = ["JOBOBJ_APPDEFVERSION=2", "JARVICE_CPU_CORES=1"]
    func message(_ more: [String], interactive: Bool = false) -> String? {
      do {
        _ = try UpstreamScript(base64: Script.encoded(more + lines)).submission(
          name: "job", number: 1, nodes: 1, held: false, owner: "kirby@example.com", account: "kirby",
          settings: .init(),
          interactiveJobs: interactive)
        return nil
      } catch { return (error as? HTTPError)?.message }
    }
    let missing = try #require(message([]))
    #expect(missing.contains("is missing") && missing.contains("counts as True"))
    #expect(missing.contains("JOBOBJ_INTERACTIVE=False"))
    #expect(message(["JOBOBJ_INTERACTIVE="])?.contains("is missing") == true, "an empty value is none")
    let asked = try #require(message(["JOBOBJ_INTERACTIVE=True"]))
    #expect(asked.contains("not supported") && !asked.contains("missing"))
    #expect(message(["JOBOBJ_INTERACTIVE=False"]) == nil)
    #expect(message([], interactive: true) == nil)
  }
}

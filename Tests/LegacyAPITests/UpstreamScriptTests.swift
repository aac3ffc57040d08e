import Foundation
import HTTP
import JobEngine
import JobModel
import ScriptTemplates
import Testing

@testable import LegacyAPI

/// What a script of these lines, before the usual ones, asks for.
func submission(
  _ lines: [String] = [], settings: ExecutorSettings = .init(), interactive: Bool = false
) throws -> JobSpec {
  try UpstreamScript(base64: Script.encoded(Script.with(lines))).submission(
    name: "job", number: 1, nodes: 1, held: false, owner: "kirby@example.com", account: "kirby", settings: settings,
    interactiveJobs: interactive)
}

/// The status, and what is wrong, with a script.
func refusal(_ lines: [String], settings: ExecutorSettings = .init()) -> (status: Int, message: String)? {
  do {
    _ = try submission(lines, settings: settings)
    return nil
  } catch {
    return (error as? HTTPError).map { ($0.status.code, $0.message) }
  }
}

/// The value that the job's script exports under a name, as it stands there.
func exported(_ name: String, _ lines: [String], _ settings: ExecutorSettings = .init()) throws -> String? {
  let script = try submission(["{DOWNSTREAM_PARAMETERS}"] + lines, settings: settings).script
  let prefix = "export \(name)="
  return script.split(separator: "\n").first { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
}

func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

@Suite("The lines of the upstream's script")
struct UpstreamScriptTests {
  @Test("Each line says what the job asks for")
  func lines() throws {
    let asked = try submission([
      "JOBOBJ_GPUS=2", "JOBOBJ_RAM=64", "JOBOBJ_LICENSES=ansys:2", "JOBOBJ_WALLTIME=1-02:03:04", "JARVICE_CPU_CORES=8",
    ])
    #expect(asked.gpusPerNode == 2 && asked.memoryPerNode == 64 && asked.coresPerNode == 8)
    #expect(asked.licenses == "ansys:2" && asked.timeLimit == "1-02:03:04" && asked.partition == nil)
  }

  @Test(
    "What is absent, empty or 0 is not asked for",
    arguments: [
      [], ["JOBOBJ_GPUS=", "JOBOBJ_RAM=", "JOBOBJ_LICENSES=", "JOBOBJ_WALLTIME=", "JOBOBJ_DEVICES="],
      ["JOBOBJ_GPUS=0", "JOBOBJ_RAM=0", "JOBOBJ_DEVICES=[]"],
    ])
  func absent(lines: [String]) throws {
    let asked = try submission(lines)
    #expect(asked.gpusPerNode == 0 && asked.memoryPerNode == nil && asked.licenses == nil && asked.timeLimit == nil)
    #expect(asked.options.isEmpty && asked.exclusive && !asked.held)
  }

  @Test(
    "A line counts only when the name is at its start",
    arguments: [
      ["JARVICE_CPU_CORES=4\r", "JOBOBJ_RAM=1\r"],
      [" JARVICE_CPU_CORES=5", "#JARVICE_CPU_CORES=5", "export JARVICE_CPU_CORES=5", "JARVICE_CPU_CORES=4"],
    ])
  func first(lines: [String]) throws {
    #expect(try submission(lines).coresPerNode == 4)
  }

  @Test("A value may hold '='")
  func signs() throws {
    #expect(try exported("JARVICE_CMD", ["JARVICE_CMD=ZWNobw=="]) == "ZWNobw==")
  }

  @Test(
    "Numbers must be whole and within reason",
    arguments: [
      "JARVICE_CPU_CORES=x", "JARVICE_CPU_CORES=-1", "JARVICE_CPU_CORES=0", "JARVICE_CPU_CORES=1.5", "JOBOBJ_GPUS=two",
      "JOBOBJ_RAM=99999999999999999999", "JOBOBJ_RAM=1048577", "JOBOBJ_APPDEFVERSION=2.0",
    ])
  func numbers(line: String) {
    let refused = refusal([line])
    #expect(refused?.status == 422)
    #expect(refused?.message.hasPrefix(line.prefix { $0 != "=" }) == true)
  }

  @Test(
    "An app definition below 2, or none, is refused",
    arguments: ["JOBOBJ_APPDEFVERSION=1", "JOBOBJ_APPDEFVERSION=", "JOBOBJ_APPDEFVERSION=0"])
  func appDefinition(line: String) {
    #expect(refusal([line])?.status == 422)
    #expect(refusal([line])?.message.contains("version 2") == true)
  }

  @Test("Without cores a job cannot be placed")
  func cores() { #expect(refusal(["JARVICE_CPU_CORES="])?.message.hasPrefix("JARVICE_CPU_CORES") == true) }

  @Test("A command that is longer than a variable can be is refused, for its job could start no program")
  func longCommand() throws {
    let line = { (count: Int) in "JARVICE_CMD=" + String(repeating: "x", count: count) }
    #expect(refusal([line(131_073)])?.message.hasPrefix("JARVICE_CMD") == true)
    #expect(refusal([line(130_000)]) == nil)
  }

  @Test(
    "A job is interactive unless it says False",
    arguments: [("False", false), ("True", true), ("false", true), ("", true)])
  func interactive(word: String, isInteractive: Bool) throws {
    let lines = ["JOBOBJ_INTERACTIVE=\(word)", #"JOBOBJ_DEVICES=["exclusive=False"]"#]
    #expect(refusal(lines).map(\.status) == (isInteractive ? 422 : nil))
    #expect(try submission(lines, interactive: true).exclusive == isInteractive)
  }

  @Test("A job that says nothing of being interactive is")
  func interactiveByDefault() {
    let encoded = Script.encoded(["JOBOBJ_APPDEFVERSION=2", "JARVICE_CPU_CORES=1"])
    let error = #expect(throws: HTTPError.self) {
      try UpstreamScript(base64: encoded).submission(
        name: "job", number: 1, nodes: 1, held: false, owner: "", account: "", settings: .init(), interactiveJobs: false
      )
    }
    #expect(error?.message.hasPrefix("JOBOBJ_INTERACTIVE") == true)
  }

  @Test(
    "A brace that means nothing is refused with its place",
    arguments: [
      (["true", "f() { true; }"], "line 2, column 5"), (["a }"], "line 1, column 3"),
      (["\u{1F600}{x}"], "line 1, column 2"), (["{DOWNSTREAM_PARAMETERS!r}"], "line 1, column 23"),
      (["${HOME}"], "line 1, column 2"),
    ])
  func braces(lines: [String], place: String) {
    let refused = refusal(lines)
    #expect(refused?.status == 422)
    #expect(refused?.message.contains(place) == true, "\(refused?.message ?? "")")
  }

  @Test("Doubled braces are braces, in the lines and in the body")
  func doubled() throws {
    let asked = try submission(["f() {{ echo ${{HOME}}; }}", #"JOBOBJ_DOCKER_SECRET={{"server":"x"}}"#])
    #expect(asked.script.hasPrefix("f() { echo ${HOME}; }\nJOBOBJ_DOCKER_SECRET={\"server\":\"x\"}\n"))
  }

  @Test(
    "The body is the upstream's text, to the byte",
    arguments: ["a\r\nb\u{0}\t'\"\\$(x)`y`\u{2028}\u{1F600}", "e\u{301}\u{e9}\u{feff}"])
  func body(text: String) throws {
    let lines = Script.plain + [text]
    let asked = try UpstreamScript(base64: Script.encoded(lines)).submission(
      name: "job", number: 1, nodes: 1, held: false, owner: "", account: "", settings: .init(), interactiveJobs: false)
    #expect(Array(asked.script.utf8) == Array(lines.joined(separator: "\n").utf8))
    #expect(Array(asked.shownScript.utf8) == Array(asked.script.utf8))
  }

  @Test("base64 with line ends is read; a script that is no UTF-8 is refused")
  func encoding() throws {
    let lines = Script.plain + [String(repeating: "# long\n", count: 40)]
    let wrapped = Data(lines.joined(separator: "\n").utf8).base64EncodedString(
      options: [.lineLength64Characters, .endLineWithCarriageReturn, .endLineWithLineFeed])
    _ = try UpstreamScript(base64: wrapped)
    let error = #expect(throws: HTTPError.self) {
      try UpstreamScript(base64: Data([0xff, 0xfe]).base64EncodedString())
    }
    #expect(error?.message.contains("UTF-8") == true)
  }

  @Test("A script of a megabyte is read quickly")
  func large() throws {
    let line = String(repeating: "echo '{{x}}' \u{e9}; ", count: 10)
    let lines = ["{DOWNSTREAM_PARAMETERS}"] + Array(repeating: line, count: 6000)
    let clock = ContinuousClock()
    var asked: JobSpec?
    let time = try clock.measure { asked = try submission(lines) }
    #expect((asked?.script.utf8.count ?? 0) > 900_000)
    // The upstream gives a call 20 s; a way through the text that is not linear takes minutes.
    #expect(time < .seconds(10), "it took \(time)")
  }
}

@Suite("The pseudo-devices of a job")
struct DevicesTests {
  private func devices(_ list: String...) throws -> [String] {
    ["JOBOBJ_DEVICES=" + String(decoding: try JSONEncoder().encode(list), as: UTF8.self)]
  }

  @Test("overlay is the job's own, and the next job's is the site's")
  func overlay() throws {
    let name = "JARVICE_SINGULARITY_OVERLAY_SIZE"
    #expect(try exported(name, devices("overlay=1234")) == "1234")
    #expect(try exported(name, devices("overlay=0")) == "0")
    #expect(try exported(name, []) == "600")
  }

  @Test("A partition, and options of sbatch, which may hold '='")
  func options() throws {
    let asked = try submission(
      devices(" partition = debug ", "sbatch_gres=gpu:a=b", "sbatch_comment=x y", "sbatch_nice="))
    #expect(asked.partition == "debug")
    #expect(
      asked.options == [
        .init(name: "gres", value: "gpu:a=b"), .init(name: "comment", value: "x y"), .init(name: "nice", value: ""),
      ])
  }

  @Test(
    "exclusive=False shares the nodes, unless the job has GPUs",
    arguments: [("exclusive=False", 0, false), ("exclusive=True", 0, true), ("exclusive=False", 1, true)])
  func exclusive(device: String, gpus: Int, isExclusive: Bool) throws {
    #expect(try submission(devices(device) + ["JOBOBJ_GPUS=\(gpus)"]).exclusive == isExclusive)
  }

  @Test(
    "Whatever else is refused, and named",
    arguments: [
      (#"["color=red"]"#, "'color' is unknown"), (#"["overlay"]"#, "'overlay' is not key=value"),
      (#"["overlay=big"]"#, "overlay: 'big' is wrong"), (#"["overlay=-1"]"#, "overlay: '-1'"),
      (#"["overlay=9999999999"]"#, "overlay"), (#"["partition=a b"]"#, "partition: 'a b'"),
      (#"["partition=--wrap=x"]"#, "partition"), (#"["exclusive=perhaps"]"#, "exclusive"),
      (#"["sbatch_qos=$(x)"]"#, "sbatch_<option>"), (#"["sbatch_qos=-x"]"#, "sbatch_<option>"),
      ("overlay=1", "a JSON list"), (#"{{"overlay":1}}"#, "a JSON list"), ("[1]", "a JSON list"), ("[", "a JSON list"),
      (String(repeating: "[", count: 60_000), "a JSON list"), (#"["sbatch_=1", "=1"]"#, "'' is unknown"),
    ])
  func unknown(value: String, part: String) {
    let refused = refusal(["JOBOBJ_DEVICES=\(value)"])
    #expect(refused?.status == 422)
    #expect(refused?.message.hasPrefix("JOBOBJ_DEVICES: ") == true)
    #expect(refused?.message.contains(part) == true, "\(refused?.message ?? "")")
  }
}

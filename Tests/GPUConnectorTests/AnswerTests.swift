import Foundation
import Testing

@testable import GPUConnector

private let one = "01J00000000000000000000001"
private let two = "01J00000000000000000000002"
private let record = "4711 123456 0d9a-boot 1700000000"
private let now = Date(timeIntervalSince1970: 1_700_000_100)
private let start = StartRecord(record.split(separator: " "), now: now)!

private func bytes(_ lines: String...) -> [UInt8] { Array(lines.map { $0 + "\n" }.joined().utf8) }
private func at(_ seconds: Double) -> Date { Date(timeIntervalSince1970: seconds) }

@Suite("The records of attempts")
struct RecordTests {
  @Test("A start record is who the wrapper is")
  func start() {
    let start = StartRecord(record.split(separator: " "), now: now)
    #expect(start?.pid == 4711 && start?.startTime == 123_456 && start?.boot == "0d9a-boot")
    #expect(start?.time == at(1_700_000_000) && start?.isVoid == false)
    #expect(StartRecord("0 0 void 5".split(separator: " "), now: now)?.isVoid == true)
    #expect(StartRecord("0 0 gone 0".split(separator: " "), now: now)?.time == .some(nil))
    for text in [
      "", "1 2 b", "1 2 b 0", "x 2 b 5", "1 x b 5", "-1 2 b 5", "4294967296 2 b 5", "1 18446744073709551616 b 5",
      "1 2 b 9223372036854775807", "1 2 b 253402300800", "1 2 b 1e300", "1 2 b 5 6",
    ] {
      #expect(StartRecord(text.split(separator: " "), now: now) == nil, "\(text)")
    }
  }

  @Test("A time that lies ahead, as after a clock was set back, is that of the look")
  func ahead() {
    #expect(ExitRecord("0 0 exited 253402300799".split(separator: " "), now: now)?.time == now)
    #expect(StartRecord("1 2 b 1700090000".split(separator: " "), now: now)?.time == now)
    #expect(StartRecord("1 2 b 1700080000".split(separator: " "), now: now)?.time == at(1_700_080_000))
  }

  @Test("An exit record is a code or a signal, and why")
  func exit() {
    func exit(_ text: String) -> ExitRecord? { ExitRecord(text.split(separator: " "), now: now) }
    #expect(exit("137 0 exited 9")?.code == 137 && exit("137 0 exited 9")?.signal == nil)
    #expect(exit("-1 9 signaled 9")?.code == nil && exit("-1 9 signaled 9")?.signal == 9)
    #expect(exit("-1 15 timelimit 9")?.cause == .timeLimit && exit("-1 0 canceled 9")?.cause == .canceled)
    #expect(exit("0 0 exited 9")?.time == at(9))
    for text in [
      "", "0 0 exited", "0 0 exited x", "0 0 done 9", "-2 0 exited 9", "256 0 exited 9", "+1 0 exited 9",
      "0 0 exited 9223372036854775807", "0 0 exited 253402300800", "0 9223372036854775807 exited 9",
      "9223372036854775807 0 exited 9", "0 0 exited 99999999999999999999", "0 256 exited 9", "0 0 exited 0",
    ] {
      #expect(exit(text) == nil, "\(text)")
    }
  }

  @Test(
    "Every word of the sweep is a state",
    arguments: [
      ("absent", .absent), ("claimed", .claimed), ("running \(record)", .running(GPUConnectorTests.start)),
      ("suspended \(record)", .suspended(GPUConnectorTests.start)),
      ("rebooted \(record)", .rebooted(GPUConnectorTests.start)),
      ("vanished \(record)", .vanished(GPUConnectorTests.start)),
      ("orphaned \(record) 12,13", .orphaned(GPUConnectorTests.start, pids: [12, 13])),
      ("orphaned \(record) -", .orphaned(GPUConnectorTests.start, pids: [])),
      ("gone", .gone), ("elsewhere b@host-1", .elsewhere(machine: "b@host-1")),
      ("damaged exit -", .damaged("exit", pids: [])), ("damaged start 7,8", .damaged("start", pids: [7, 8])),
      (
        "ended \(record) 0 0 exited 1700000009",
        .ended(GPUConnectorTests.start, ExitRecord("0 0 exited 1700000009".split(separator: " "), now: now)!)
      ),
    ] as [(String, AttemptState)])
  func states(text: String, state: AttemptState) throws {
    let id = AttemptID(job: one, number: 3)
    let answer = try SweepAnswer(
      bytes("now 1700000100", "boot b", "owner unasked", "\(one) 3 \(text)"), asked: [id], asksSMI: false)
    #expect(answer.attempts == [id: state] && answer.now == now && answer.boot == "b" && answer.smi == nil)
  }
}

@Suite("The answers of the scripts")
struct AnswerTests {
  private let asked = [AttemptID(job: one, number: 1), AttemptID(job: two, number: 2)]

  @Test("What a sweep says of a job is found by its id, wherever it stands")
  func byID() throws {
    let answer = try SweepAnswer(
      bytes("now 5", "boot b", "owner unasked", "\(two) 2 claimed", "\(one) 1 absent"), asked: asked, asksSMI: false)
    #expect(answer.attempts == [asked[0]: .absent, asked[1]: .claimed])
    #expect(try SweepAnswer(bytes("now 5", "boot b", "owner unasked"), asked: [], asksSMI: false).attempts.isEmpty)
  }

  @Test("What nvidia-smi said is kept as it is, beside the jobs")
  func sections() throws {
    let answer = try SweepAnswer(
      bytes(
        "now 5", "boot b", "owner o", "\(one) 1 absent", "smi-gpus 9", "a, b", "", "smi-apps 0", "c", "user 7 ada",
        "smi-end"),
      asked: [asked[0]], asksSMI: true)
    let expected = NVIDIASMI.Output(gpuStatus: 9, gpuLines: ["a, b", ""], appStatus: 0, appLines: ["c", "user 7 ada"])
    #expect(answer.smi == expected)
  }

  @Test(
    "A line that is not as it must be makes the whole answer an error that quotes it",
    arguments: [
      ["Welcome to alpha", "now 5"], ["now x"], ["now 9223372036854775807"], ["now 5", "boot "],
      ["now 5", "boot b", "\(one) 1 absent"], ["now 5", "boot b", "owner o", "J 1 absent"],
      ["now 5", "boot b", "owner o", "\(one) 0 absent"], ["now 5", "boot b", "owner o", "\(one) 1"],
      ["now 5", "boot b", "owner o", "\(one) 1 lost"],

      ["now 5", "boot b", "owner o", "\(two) 1 absent"], ["now 5", "boot b", "owner o", "\(one) 2 absent"],
      ["now 5", "boot b", "owner o", "\(one) 1 absent", "\(one) 1 absent"],
      ["now 5", "boot b", "owner o", "\(one) 1 absent", "\(two) 2 absent", "\(two) 2 absent"],
      ["now 5", "boot b", "owner o", "\(one) 1 absent", "\(two) 2 absent", "more"],
      ["now 5", "boot b", "owner o", "\(one) 1 absent", "\(two) 2 absent", "smi-gpus"],
      ["now 5", "boot b", "owner o", "\(one) 1 absent", "\(two) 2 absent", "smi-gpus 0", "smi-end"],
      [
        "now 5", "boot b", "owner o", "\(one) 1 absent", "\(two) 2 absent", "smi-gpus 0", "smi-apps 0", "smi-end",
        "more",
      ],
    ])
  func malformed(lines: [String]) {
    let output = Array(lines.map { $0 + "\n" }.joined().utf8)
    let error = #expect(throws: MalformedAnswer.self) {
      try SweepAnswer(output, asked: asked, asksSMI: lines.contains { $0.hasPrefix("smi-") })
    }
    let quoted = lines[0].hasPrefix("now 5") ? lines[lines.count - 1] : lines[0]
    #expect(error?.description == "the answer of sweep.sh is not understood: the line '\(quoted)' was not expected")
  }

  @Test(
    "Records that are not as they must be damage their own attempt alone",
    arguments: [
      "absent now", "running", "running 1 2 b", "running  1 2 b 3", "running \(record) ", "running -1 2 b 3",
      "ended \(record)", "ended \(record) 0 0 exited", "ended \(record) 0 0 exited 9223372036854775807",
      "ended \(record) 0 0 rubbish 5", "orphaned \(record)", "orphaned \(record) 1,,2", "orphaned \(record) 1,-",
      "orphaned \(record) 99999999999999999999", "vanished", "rebooted x", "gone 1", "elsewhere", "damaged",
      "damaged exit", "damaged exit x",
    ])
  func damaged(state: String) throws {
    let answer = try SweepAnswer(
      bytes("now 5", "boot b", "owner o", "\(one) 1 \(state)", "\(two) 2 claimed"), asked: asked, asksSMI: false)
    let isOver = ["ended", "rebooted", "vanished"].contains { state.hasPrefix($0) }
    let living = isOver ? [] : [AttemptState.unnamed]
    #expect(answer.attempts == [asked[0]: .damaged("records", pids: living), asked[1]: .claimed])
  }

  @Test("An answer that was cut off anywhere is an error")
  func cut() {
    let whole = bytes(
      "now 5", "boot b", "owner o", "\(one) 1 ended \(record) 0 0 exited 1700000009", "\(two) 2 running \(record)",
      "smi-gpus 0",
      "x", "smi-apps 0", "smi-end")
    for length in 0..<whole.count {
      #expect(throws: MalformedAnswer.self, "\(length)") {
        try SweepAnswer(Array(whole[..<length]), asked: asked, asksSMI: true)
      }
    }
    #expect(throws: Never.self) { try SweepAnswer(whole, asked: asked, asksSMI: true) }
  }

  @Test("A list is every job's own words, with its latest attempt")
  func list() throws {
    let answer = try ListAnswer(
      bytes(
        "job \(two)", "= mark abc", "= ", "= name a b", "attempt 2", "machine m@h", "+ gpus 0,1", "job \(one)"))
    #expect(
      answer.entries == [
        .init(
          job: two, about: ["mark abc", "", "name a b"], attempt: .init(number: 2, machine: "m@h", place: ["gpus 0,1"])),
        .init(job: one, about: []),
      ])
    #expect(try ListAnswer(bytes("job \(one)", "attempt 1")).entries[0].attempt?.number == 1)
  }

  @Test("A list without jobs is empty")
  func emptyList() throws { #expect(try ListAnswer([]).entries == []) }

  @Test(
    "A list with a line that is not as it must be is an error",
    arguments: [
      ["job x"], ["x"], ["job \(one)", "job \(one)"], ["job \(one)", "+ gpus 0"], ["job \(one)", "attempt x"],
      ["job \(one)", "attempt 0"], ["job \(one)", "attempt 1", "\(two) 1 absent"],
      ["job \(one)", "attempt 1", "= late"], ["job \(one)", "attempt 1", "+ gpus 0", "= late"],
    ])
  func malformedList(lines: [String]) {
    #expect(throws: MalformedAnswer.self) { try ListAnswer(Array(lines.map { $0 + "\n" }.joined().utf8)) }
  }

  @Test("What a server is is read whole")
  func prepare() throws {
    let lines = [
      "root /home/u/.weir", "now 5", "boot b", "cpus 8", "memory 64000", "host alpha", "arch x86_64", "pax 1",
      "machine alpha@host-1",
    ]
    let answer = try PrepareAnswer(Array(lines.map { $0 + "\n" }.joined().utf8))
    #expect(answer.root == "/home/u/.weir" && answer.now == at(5) && answer.boot == "b" && answer.cpus == 8)
    #expect(answer.memoryMB == 64_000 && answer.host == "alpha" && answer.architecture == "x86_64" && answer.readsPax)
    let warned = try PrepareAnswer(Array((lines + ["warning a b", ""]).joined(separator: "\n").utf8))
    #expect(answer.warnings == [] && warned.warnings == ["a b"])
    for missing in lines.indices {
      var lines = lines
      lines.remove(at: missing)
      #expect(throws: MalformedAnswer.self) { try PrepareAnswer(Array(lines.map { $0 + "\n" }.joined().utf8)) }
    }
    #expect(throws: MalformedAnswer.self) { try PrepareAnswer(bytes("root x")) }
    for machine in ["../x@y", "a", "a@", "@b", "a@b/c", "a b@c", "a@\(String(repeating: "x", count: 81))"] {
      let lines = lines.dropLast() + ["machine \(machine)"]
      #expect(throws: MalformedAnswer.self) { try PrepareAnswer(Array(lines.map { $0 + "\n" }.joined().utf8)) }
    }
  }

  @Test("The answers of one line")
  func words() throws {
    #expect(try StartAnswer(bytes("started \(record)"), now: now) == .started(start))
    #expect(try StartAnswer(bytes("owned host")) == .owned(host: "host") && StartAnswer(bytes("busy")) == .busy)
    #expect(try StartAnswer(bytes("exists")) == .exists && StartAnswer(bytes("removed")) == .removed)
    #expect(try StartAnswer(bytes("void"), of: "void.sh") == .void)
    #expect(try CancelAnswer(bytes("asked")) == .asked && CancelAnswer(bytes("void")) == .void)
    #expect(try RemoveAnswer(bytes("busy")) == .busy)
    #expect(try SignalAnswer(bytes("done 3")) == .done(3) && SignalAnswer(bytes("over")) == .over)
    for output in [[], bytes(""), bytes("exists", "exists"), bytes("exists "), bytes("started"), bytes("done")] {
      #expect(throws: MalformedAnswer.self) { try StartAnswer(output) }
      #expect(throws: MalformedAnswer.self) { try CancelAnswer(output) }
      #expect(throws: MalformedAnswer.self) { try SignalAnswer(output) }
    }
  }
}

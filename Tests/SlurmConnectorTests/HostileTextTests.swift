import ConnectorAPI
import Foundation
import JobEngine
import JobModel
import Testing

@testable import SlurmConnector

@Suite("Any byte in a job's name or comment leaves every job in its place")
struct HostileTextTests {
  static let texts: [[UInt8]] =
    [
      "\n", "\r\n", "\u{1f}", "\u{1e}", "a\nb", "\n\n\n", "a\u{1f}b\u{1f}", "\u{1f}\u{1f}", "\t|\u{b}", "%k%j",
      "\u{2028}", "\u{1b}[2J", "weir:", "weir:\n", "99\u{1f}COMPLETED\u{1f}None",
    ].map { Array($0.utf8) } + [[0xff, 0xfe, 0x0a, 0xc0], Array(repeating: 0x0a, count: 10_000)]

  private func row(_ columns: [String], _ comment: [UInt8], _ name: [UInt8], mark: String) -> [UInt8] {
    let delimiter = Array(MarkedText.delimiter(mark).utf8)
    let plain = Array(columns.joined(separator: "\u{1f}").utf8)
    return delimiter + plain + delimiter + comment + delimiter + name + delimiter + [0x0a]
  }

  private func columns(_ id: String) -> [String] {
    [id, "RUNNING", "None", "0:03", "1795231152", "1795231153", "N/A", "node1", "kirby"]
  }

  @Test("In squeue's answer", arguments: texts)
  func squeue(text: [UInt8]) throws {
    let table = SqueueTable()
    let marked = Array("weir:01OURS ".utf8)
    let output =
      row(columns("1"), text, Array("jarvice_".utf8) + text, mark: table.mark)
      + row(columns("2"), marked + text, Array("renamed".utf8) + text, mark: table.mark)
      + row(columns("3"), text, text, mark: table.mark)
      + row(columns("4"), [], Array("jarvice_d".utf8), mark: table.mark)
    let seen = try Squeue.reports(output, table)
    #expect(seen.map(\.backendID) == ["1", "2", "4"] && seen.allSatisfy { $0.state == .running })
    #expect(seen.last?.name == "d")
  }

  @Test("In sacct's records", arguments: texts)
  func sacct(text: [UInt8]) throws {
    let sacct = Sacct(submitLine: true)
    let delimiter = Array(sacct.delimiter.utf8)
    func record(_ id: String, _ name: [UInt8], _ comment: [UInt8]) -> [UInt8] {
      let middle = ["COMPLETED", "0:0", "61", "1795231152", "1795231153", "1795231214", "node1", "kirby", "1001"]
      let fields = [Array(id.utf8), name] + middle.map { Array($0.utf8) } + [comment, text]
      return fields.flatMap { $0 + delimiter } + [0x0a]
    }
    let output =
      Array("Welcome\n".utf8) + record("1", Array("jarvice_".utf8) + text, text)
      + record("2", text, Array("weir:01OURS".utf8) + text) + record("3", Array("jarvice_c".utf8), [])
    let records = try sacct.records(output)
    #expect(records.map(\.id) == ["1", "2", "3"])
    #expect(records.allSatisfy { $0.word == "COMPLETED" } && records.last?.report.name == "c")
  }

  @Test("In what scontrol prints", arguments: texts)
  func scontrol(text: [UInt8]) throws {
    let scontrol = Scontrol()
    func answer(_ id: String) -> [UInt8] {
      let delimiter = Array(MarkedText.delimiter(scontrol.mark).utf8)
      let head = "\(id)\u{1f}0\u{1f}JobId=\(id) JobName=jarvice_"
      return delimiter + Array(head.utf8) + text + Array(" UserId=kirby(1) JobState=FAILED Comment=".utf8) + text
        + delimiter + [0x0a]
    }
    let records = try scontrol.records(answer("1") + answer("2"))
    #expect(records.map(\.id) == ["1", "2"] && records.allSatisfy { $0.word == "FAILED" })
  }

  @Test("An answer of squeue that is cut off is no answer", arguments: [1, 5, 20, 60, 80])
  func cut(bytes: Int) throws {
    let table = SqueueTable()
    let whole = row(columns("1"), [], Array("jarvice_a".utf8), mark: table.mark)
    #expect(throws: BackendError.self) { try Squeue.reports(whole + whole.dropLast(bytes + 1), table) }
    #expect(try Squeue.reports(whole + whole, table).count == 2)
  }

  @Test("A reason that holds the separator moves no other column")
  func reason() throws {
    let table = SqueueTable()
    var columns = columns("7")
    columns[2] = "of a plugin\u{1f}with a separator"
    let seen = try Squeue.reports(row(columns, [], Array("jarvice_a".utf8), mark: table.mark), table)
    #expect(seen.first?.account == "kirby" && seen.first?.nodes == ["node1"])
  }

  @Test("Tasks of an array and components of a heterogeneous job are jobs by their own ids; what is no id is no job")
  func ids() throws {
    let table = SqueueTable()
    let ids = ["12", "13", "12_3", "12+1", "", "-1", "12345678901", "１２"]
    let output = ids.flatMap { row(columns($0), [], Array("jarvice_a".utf8), mark: table.mark) }
    #expect(try Squeue.reports(Array(output), table).map(\.backendID) == ["12", "13"])
  }
}

@Suite("Numbers, times and node lists of any size are read within bounds")
struct HostileNumberTests {
  static let numbers = [
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "99999999999999999999999", "1e300", "nan",
    "253402300800", "-1", "+5", "", " ", "\n1", "0x7fffffff", "٣", "4294967296",
  ]

  @Test("In each column of squeue", arguments: numbers)
  func squeue(number: String) throws {
    for column in 3...7 {
      let table = SqueueTable()
      var columns = ["1", "COMPLETED", "None", "0:03", "1", "2", "3", "node1", "kirby", "", "jarvice_a"]
      columns[column] = number
      let seen = try #require(try Squeue.reports(Array(SqueueRow.text(columns, mark: table.mark).utf8), table).first)
      Self.expectBounded(seen)
    }
  }

  @Test("In each column of sacct", arguments: numbers)
  func sacct(number: String) throws {
    let sacct = Sacct(submitLine: true)
    for column in 3...10 {
      var fields = ["1", "jarvice_a", "FAILED", "1:0", "61", "1", "2", "3", "node1", "kirby", "1001", "", ""]
      fields[column] = column == 3 ? "\(number):\(number)" : number
      let output = fields.map { $0 + sacct.delimiter }.joined() + "\n"
      Self.expectBounded(try #require(try sacct.records(Array(output.utf8)).first?.report))
    }
  }

  @Test("In what scontrol prints", arguments: numbers)
  func scontrol(number: String) throws {
    let scontrol = Scontrol()
    let text =
      "JobName=jarvice_a JobState=FAILED ExitCode=\(number):\(number) RunTime=\(number)-\(number):00:00 "
      + "SubmitTime=\(number) StartTime=\(number) EndTime=\(number) NodeList=n[1-\(number)]"
    let delimiter = MarkedText.delimiter(scontrol.mark)
    let output = Array((delimiter + "1\u{1f}0\u{1f}" + text + delimiter).utf8)
    Self.expectBounded(try #require(try scontrol.records(output).first?.report))
  }

  private static func expectBounded(_ seen: JobReport) {
    let bound = 1 << 31
    #expect((0...bound).contains(seen.elapsed))
    for number in [seen.outcome?.exitCode, seen.outcome?.signal].compactMap({ $0 }) {
      #expect((0...bound).contains(number))
    }
    let latest = Date().addingTimeInterval(90_000)
    for time in [seen.submittedAt, seen.startedAt, seen.endedAt].compactMap({ $0 }) { #expect(time < latest) }
    #expect(seen.nodes.count <= HostList.limit && seen.nodes.allSatisfy { $0.count <= 255 })
  }

  @Test(
    "Node lists",
    arguments: [
      ("n[1-9223372036854775807]", 1), ("n[9223372036854775806-9223372036854775807]", 1), ("n[0-2147483648]", 65_536),
      (String(repeating: "[1]", count: 200_000), 1), (String(repeating: "[", count: 200_000), 1),
      (String(repeating: "]", count: 200_000), 1), (String(repeating: "a[1-2]", count: 200_000), 1),
      (String(repeating: "n,", count: 200_000), 65_536), (String(repeating: ",", count: 200_000), 0),
      ("n[" + String(repeating: "0", count: 200_000) + "1-2]", 1), ("n[1-9][1-9][1-9][1-9][1-9][1-9]", 65_536),
      ("n[-5]", 1), ("n[5-]", 1), ("n[--]", 1), ("n[]", 0),
    ])
  func nodeLists(text: String, count: Int) {
    let names = HostList.expand(text)
    #expect(names.count == count && names.allSatisfy { $0.count <= 255 })
  }

  @Test("A list that is cut holds the first of its names")
  func cut() {
    let names = HostList.expand("n[1-9999][1-9999]")
    #expect(names.count == HostList.limit && names.prefix(2) == ["n11", "n12"] && names[9999] == "n21")
  }

  @Test(
    "MinJobAge is a number of seconds or nothing",
    arguments: [("300 sec", 300), ("0 sec", 0), ("1e300 sec", nil), ("nan", nil), ("-5 sec", nil), ("", nil)]
      as [(String, Double?)])
  func minJobAge(text: String, expected: Double?) {
    let configuration = SlurmConfiguration("ClusterName = x\nMinJobAge               = \(text)\n")
    #expect((try? configuration.minJobAge) == expected)
  }

  @Test(
    "Whether every account sees every job",
    arguments: [("none", true), ("jobs,usage", false), ("usage", true), ("all", false), ("accounts,jobs", false)])
  func privateData(text: String, isPublic: Bool) {
    #expect(SlurmConfiguration("PrivateData             = \(text)\n").showsAllJobs == isPublic)
  }
}

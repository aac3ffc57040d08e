import Foundation
import JobEngine
import JobModel
import Testing

@testable import LegacyAPI

@Suite("The answers of the endpoints, byte for byte")
struct EndpointTests {
  @Test(
    "The service's own calls have fixed answers, HEAD the same without a body",
    arguments: [
      ("/live", "application/json", "{\"status\":\"OK\"}\n"),
      ("/ready", "application/json", "{\"status\":\"OK\",\"version\":\"1.2.3\"}\n"),
      ("/gc", "application/json", "{\"status\":\"OK\"}\n"),
      ("/nodes", "text/html; charset=utf-8", "true"),
      ("/queued", "application/json", "[]\n"),
      ("/running", "application/json", "[]\n"),
    ])
  func fixed(path: String, contentType: String, body: String) async throws {
    try await Bench.run { bench in
      let reply = try await bench.get(path)
      #expect(reply.status == 200 && reply.text == body && reply["Content-Type"] == contentType)
      let head = try await bench.send("HEAD", path)
      #expect(head.status == 200 && head["Content-Type"] == contentType)
      #expect(head["Content-Length"] == String(body.utf8.count))
    }
  }

  @Test("/online says true, whatever is sent", arguments: [nil, "args={}", "nonsense"])
  func online(body: String?) async throws {
    try await Bench.run { bench in
      let reply = try await bench.send(
        "POST", "/online", body.map { _ in "application/x-www-form-urlencoded" }, body ?? "")
      #expect(reply.status == 200 && reply.text == "true\n")
    }
  }

  @Test("/submit answers the id and the script as people may see it, and again the same")
  func submit() async throws {
    try await Bench.run { bench in
      let args = try Script.args("a_s1", lines: Script.plain + ["echo '\u{e9}\u{1F600}\"\u{2028}'"])
      let first = try await bench.call("/submit", args)
      #expect(first.status == 200 && first["Content-Type"] == "application/json")
      let pair = try #require(try first.json() as? [String])
      #expect(pair.count == 2 && pair[0].hasPrefix("dummy_"))
      #expect(pair[1].hasSuffix("true\necho '\u{e9}\u{1F600}\"\u{2028}'"))
      #expect(first.text == "[\"\(pair[0])\"," + String(first.text.dropFirst(pair[0].count + 4)))
      #expect(first.text.hasSuffix(#"echo '\u00e9\ud83d\ude00\"\u2028'"]"# + "\n"))
      #expect(first.body.allSatisfy { $0 < 0x80 })
      #expect(try await bench.call("/submit", args).body == first.body)
    }
  }

  @Test(
    "Arguments are taken as a form, as multipart and as JSON",
    arguments: [
      ("application/x-www-form-urlencoded", "other=1&args=%7B\"name\":\"job\",\"number\":1,\"jobid\":\"%ID\"%7D"),
      ("application/json", #"{"name":"job","number":1,"jobid":"%ID"}"#),
      ("application/json; charset=utf-8", "{\"jobid\" : \"%ID\",\n \"number\" : 1, \"name\" : \"job\"}"),
      (
        "multipart/form-data; boundary=x-y",
        "--x-y\r\nContent-Disposition: form-data; name=\"args\"\r\n\r\n"
          + #"{"name":"job","number":1,"jobid":"%ID"}"# + "\r\n--x-y--\r\n"
      ),
    ])
  func bodies(contentType: String, body: String) async throws {
    try await Bench.run { bench in
      let job = try await bench.submit()
      await bench.look()
      let reply = try await bench.send(
        "POST", "/runstatus", contentType, body.replacing("%ID", with: job.id))
      #expect(reply.text == "[[\"dummy\"],\"00:00:00\",\"job/1/\(job.id)\",null]\n")
    }
  }

  @Test(
    "A number may be sent as text, and an id as a number",
    arguments: [
      #"{"name":"job","number":"1","jobid":"58"}"#, #"{"name":"job","number":1,"jobid":58}"#,
      #"{"name":"job","number":1.0,"jobid":"58"}"#,
    ])
  func numbers(args: String) async throws {
    try await Bench.run(StagedConnector()) { bench in
      _ = try await bench.submit()
      #expect(try await bench.call("/runstatus", args).text == "[[],\"00:00:00\",\"job/1/58\",null]\n")
      #expect(try await bench.call("/events", args).text == "\"what the backend says\"\n")
    }
  }

  @Test("A job is listed from the instant its submit was answered, and stands in one list at a time")
  func lists() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      #expect(try await bench.get("/queued").text == "[]\n")
      _ = try await bench.submit("a")
      #expect(try await bench.get("/queued").text == "[[\"a\",\"58\"]]\n")
      connector.change { $0.report.lifecycle = .running }
      await bench.look()
      #expect(try await bench.get("/queued").text == "[]\n")
      #expect(try await bench.get("/running").text == "[[\"a\",\"58\"]]\n")
      connector.change {
        $0.report.lifecycle = .ended(.succeeded)
      }
      await bench.look()
      #expect(try await bench.get("/running").text == "[]\n")
    }
  }

  @Test("Jobs are listed oldest first")
  func order() async throws {
    try await Bench.run(Bench.dummy(queued: 1000)) { bench in
      var rows: [String] = []
      for name in ["z", "a", "m"] {
        let job = try await bench.submit(name)
        rows.append("[\"\(name)\",\"\(job.id)\"]")
        // Ids of one millisecond sort by chance.
        try await Task.sleep(for: .milliseconds(2))
      }
      #expect(try await bench.get("/queued").text == "[\(rows.joined(separator: ","))]\n")
    }
  }

  @Test("/runstatus of a job that nobody knows by this id is four nulls")
  func unknownRunStatus() async throws {
    try await Bench.run { bench in
      let job = try await bench.submit()
      for args in [
        #"{"name":"other","number":1,"jobid":"\#(job.id)"}"#, #"{"name":"job","number":2,"jobid":"\#(job.id)"}"#,
        #"{"name":"job","number":1,"jobid":"58"}"#,
      ] {
        let reply = try await bench.call("/runstatus", args)
        #expect(reply.status == 200 && reply.text == "[null,null,null,null]\n")
      }
    }
  }

  @Test(
    "/exitstatus tells how a job ended, and the same bytes ever after",
    arguments: [
      (0, "[0,\"00:00:00\",[\"This is job job\\nIt pretended to run for 0 s\",\"<< termination state: CD"),
      (100, "[1,\"00:00:00\",[\"This is job job\\nIt pretended to run for 0 s\",\"<< termination state: F"),
    ])
  func exitStatus(failing: Int, expected: String) async throws {
    try await Bench.run(Bench.dummy(running: 0, failing: failing)) { bench in
      let job = try await bench.submit()
      await bench.look()
      let reply = try await bench.call("/exitstatus", job)
      #expect(reply.text == expected + " -- see STDOUT for job errors >>\"]]\n")
      #expect(try await bench.call("/exitstatus", job).body == reply.body)
    }
  }

  static let endings: [(Outcome, Int, String)] = [
    (.succeeded, 0, "CD"), (.failed, 1, "F"), (.outOfMemory, 1, "OOM"), (.nodeFailure, 1, "NF"),
    (.canceled, -15, "CA"), (.deadline, -15, "DL"), (.preempted, -15, "PR"), (.timeLimit, -9, "TO"),
    (.launchFailed, -9, "BF"),
  ]

  @Test("Each ending has its code and Slurm's word", arguments: endings)
  func ending(_ outcome: Outcome, code: Int, word: String) async throws {
    let connector = StagedConnector()
    connector.change {
      $0.report.lifecycle = .ended(outcome)
      $0.report.elapsed = 93_784
      $0.output = Array("caf\u{e9} \u{1F600}\u{1b}[0m\r\n\n \n".utf8) + []
    }
    try await Bench.run(connector) { bench in
      let job = try await bench.submit()
      await bench.look()
      let reply = try await bench.call("/exitstatus", job)
      #expect(
        reply.text == "[\(code),\"26:03:04\",[\"caf\\u00e9 \\ud83d\\ude00\\u001b[0m\","
          + "\"<< termination state: \(word) -- see STDOUT for job errors >>\"]]\n")
      #expect(connector.current.lines == 10_000)
    }
  }

  @Test("Output that is no UTF-8 still is JSON that a strict reader takes")
  func binaryOutput() async throws {
    let connector = StagedConnector()
    connector.change {
      $0.report.lifecycle = .ended(.succeeded)
      $0.output = [0x61, 0xff, 0x00, 0xc3, 0x0a]
    }
    try await Bench.run(connector) { bench in
      let job = try await bench.submit()
      await bench.look()
      #expect(try await bench.call("/exitstatus", job).text.hasPrefix(#"[0,"00:00:00",["a\ufffd\u0000\ufffd","<<"#))
      let tail = try await bench.get(job.path + "/tail")
      #expect(tail.status == 200 && tail.body == [0x61, 0xff, 0x00, 0xc3, 0x0a], "text/plain is bytes")
    }
  }

  @Test("The nodes and the time of a running job are those that were seen")
  func runStatus() async throws {
    let connector = StagedConnector()
    connector.change {
      $0.report.lifecycle = .running
      $0.report.nodes = ["node1", "node2"]
      $0.report.elapsed = 3
    }
    try await Bench.run(connector) { bench in
      let job = try await bench.submit()
      await bench.look()
      #expect(
        try await bench.call("/runstatus", job).text == "[[\"node1\",\"node2\"],\"00:00:03\",\"job/1/58\",null]\n")
    }
  }

  @Test("/terminate says true, for a job that is over too, and the end is a cancel")
  func terminate() async throws {
    try await Bench.run(Bench.dummy(queued: 1000)) { bench in
      let job = try await bench.submit()
      for _ in 0..<2 { #expect(try await bench.call("/terminate", job).text == "true\n") }
      await bench.look()
      let over = try await bench.call("/terminate", job)
      #expect(over.status == 200 && over.text == "true\n")
      #expect(
        try await bench.call("/exitstatus", job).text.hasPrefix("[-15,\"00:00:00\",[\"\",\"<< termination state: CA"))
    }
  }

  @Test("A held job is queued until it is released")
  func release() async throws {
    try await Bench.run { bench in
      let reply = try await bench.call("/submit", Script.args("job", ["held": true]))
      let id = try #require((try reply.json() as? [String])?.first)
      let args = #"{"name":"job","number":1,"jobid":"\#(id)"}"#
      await bench.look()
      #expect(try await bench.get("/queued").text == "[[\"job\",\"\(id)\"]]\n")
      let released = try await bench.call("/release", args)
      #expect(released.status == 200 && released.text == "true\n")
      await bench.look()
      #expect(try await bench.get("/running").text == "[[\"job\",\"\(id)\"]]\n")
    }
  }
}

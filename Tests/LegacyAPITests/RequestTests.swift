import Foundation
import JobEngine
import Testing

@testable import LegacyAPI

@Suite("The calls below /request")
struct RequestTests {
  @Test(
    "ping and connect are empty, info is an empty description, as GET, HEAD and POST",
    arguments: [
      ("ping", "text/html; charset=utf-8", ""), ("connect", "text/html; charset=utf-8", ""),
      ("info", "application/json", "{\"about\":\"\",\"actions\":{},\"help\":\"\",\"url\":\"\"}\n"),
    ])
  func fixed(method: String, contentType: String, body: String) async throws {
    try await Bench.run { bench in
      let job = try await bench.submit()
      for verb in ["GET", "HEAD", "POST"] {
        let reply = try await bench.send(verb, "\(job.path)/\(method)")
        #expect(reply.status == 200 && reply["Content-Type"] == contentType)
        #expect(verb == "HEAD" ? reply["Content-Length"] == String(body.utf8.count) : reply.text == body)
      }
    }
  }

  @Test("info tells where an interactive job is reached")
  func url() async throws {
    try await Bench.run(Bench.dummy(interactive: true)) { bench in
      let job = try await bench.submit(script: ["JOBOBJ_APPDEFVERSION=2", "JARVICE_CPU_CORES=1"])
      #expect(try await bench.get(job.path + "/info").text.contains(#""url":"http://localhost:8080""#))
    }
  }

  @Test(
    "tail gives the last lines as plain text, 100 when nothing is said",
    arguments: [
      ("{}", 100), (#"{"qs":{"lines":["3"]}}"#, 3), (#"{"qs":{"lines":"3"}}"#, 3), (#"{"qs":{"lines":[3]}}"#, 3),
      (#"{"qs":{"lines":["-1"]}}"#, 1), (#"{"qs":{"lines":["99999999"]}}"#, 10_000), (#"{"qs":{}}"#, 100),
    ])
  func tail(args: String, lines: Int) async throws {
    let connector = StagedConnector()
    connector.change { $0.output = Array("one\ntwo\n".utf8) }
    try await Bench.run(connector) { bench in
      let job = try await bench.submit()
      let reply = try await bench.call(job.path + "/tail", args)
      #expect(reply.status == 200 && reply.text == "one\ntwo\n")
      #expect(reply["Content-Type"] == "text/plain; charset=utf-8")
      #expect(connector.current.lines == lines)
    }
  }

  @Test("tail of a job that wrote nothing is empty")
  func emptyTail() async throws {
    try await Bench.run(Bench.dummy(queued: 1000)) { bench in
      let reply = try await bench.get(try await bench.submit().path + "/tail?lines=5")
      #expect(reply.status == 200 && reply.body.isEmpty)
    }
  }

  @Test("shutdown and abort end the job", arguments: ["shutdown", "abort"])
  func ending(method: String) async throws {
    try await Bench.run { bench in
      let job = try await bench.submit()
      #expect(try await bench.send("POST", "\(job.path)/\(method)").text == "true\n")
      await bench.look()
      #expect(try await bench.get("/running").text == "[]\n")
    }
  }
}

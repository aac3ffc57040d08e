import Foundation
import JobEngine
import Testing

@testable import LegacyAPI

@Suite("What is refused, and how")
struct RefusalTests {
  static let urlEncoded = "application/x-www-form-urlencoded"

  @Test(
    "A body that cannot be read",
    arguments: [
      (urlEncoded, "", 400, "args_missing"),
      (urlEncoded, "arg={}", 400, "args_missing"),
      (urlEncoded, "args=", 400, "args_not_json"),
      (urlEncoded, "args={\"name\":", 400, "args_not_json"),
      (urlEncoded, "args=" + String(repeating: "[", count: 2000), 400, "args_not_json"),
      (urlEncoded, "args=%ff", 400, "args_not_json"),
      ("application/json", "", 400, "args_not_json"),
      ("application/json", "nonsense", 400, "args_not_json"),
      ("application/json", "{\"name\":\"\u{0}\"}", 400, "args_not_json"),
      ("application/json", "[]", 422, "args_not_object"),
      ("application/json", "{}", 422, "argument_wrong"),
      ("text/plain", "{}", 415, "unsupported_media_type"),
      (nil, "{}", 415, "unsupported_media_type"),
      ("multipart/form-data", "{}", 400, "bad_request"),
    ] as [(String?, String, Int, String)],
    ["/submit", "/runstatus", "/terminate"])
  func bodies(row: (contentType: String?, body: String, status: Int, code: String), path: String) async throws {
    try await Bench.run { bench in
      let reply = try await bench.send("POST", path, row.contentType, row.body)
      #expect(reply.status == row.status && reply.code == row.code)
    }
  }

  @Test(
    "Arguments of the wrong kind are named",
    arguments: [
      (#"{"number":1,"jobid":"58"}"#, "'name' is missing: expected a word of 1 to 128 letters"),
      (#"{"name":1,"number":1,"jobid":"58"}"#, "'name' is wrong: expected a word of 1 to 128 letters"),
      (#"{"name":"a b","number":1,"jobid":"58"}"#, "'name' is wrong: expected a word of 1 to 128 letters"),
      (#"{"name":"job","jobid":"58"}"#, "'number' is missing: expected a whole number from 0 to 2147483647"),
      (#"{"name":"job","number":1.5,"jobid":"58"}"#, "'number' is wrong: expected a whole number"),
      (#"{"name":"job","number":1e30,"jobid":"58"}"#, "'number' is wrong: expected a whole number"),
      (#"{"name":"job","number":-1,"jobid":"58"}"#, "'number' is wrong: expected a whole number"),
      (#"{"name":"job","number":true,"jobid":"58"}"#, "'number' is wrong: expected a whole number"),
      (#"{"name":"job","number":"1x","jobid":"58"}"#, "'number' is wrong: expected a whole number"),
      (#"{"name":"job","number":"+1","jobid":"58"}"#, "'number' is wrong: expected a whole number"),
      (#"{"name":"job","number":[1],"jobid":"58"}"#, "'number' is wrong: expected a whole number"),
      (#"{"name":"job","number":1}"#, "'jobid' is missing: expected a word"),
      (#"{"name":"job","number":1,"jobid":true}"#, "'jobid' is wrong: expected a word"),
      (#"{"name":"job","number":1,"jobid":null}"#, "'jobid' is wrong: expected a word"),
      (#"{"name":"job","number":1,"jobid":"--all"}"#, "'jobid' is wrong: expected a word"),
    ], ["/runstatus", "/exitstatus", "/terminate", "/release", "/events"])
  func arguments(row: (args: String, sentence: String), path: String) async throws {
    try await Bench.run { bench in
      let reply = try await bench.call(path, row.args)
      #expect(reply.status == 422 && reply.text.hasPrefix("{\"code\":\"argument_wrong\",\"error\":\"\(row.sentence)"))
    }
  }

  @Test(
    "A submission that cannot be is refused with what is wrong in it",
    arguments: [
      (["name": NSNull()], 422, "argument_wrong", "'name'"),
      (["nodes": "many"], 422, "argument_wrong", "'nodes'"),
      (["nodes": 0], 422, "argument_wrong", "'nodes'"),
      (["nodes": -5], 422, "argument_wrong", "'nodes'"),
      (["number": NSNull()], 422, "argument_wrong", "'number'"),
      (["held": "yes"], 422, "argument_wrong", "'held'"),
      (["hpc_script": "x"], 422, "argument_wrong", "'hpc_script'"),
      (["hpc_script": ["docker": "x"]], 422, "submission_wrong", "singularity"),
      (["hpc_script": ["singularity": "%%%"]], 422, "submission_wrong", "base64"),
      (["hpc_script": ["singularity": ""]], 422, "submission_wrong", "base64"),
      (["hpc_script": ["singularity": Script.encoded(["a {b}"])]], 422, "script_wrong", "line 1, column 3"),
      (
        ["hpc_script": ["singularity": Script.encoded(["JOBOBJ_APPDEFVERSION=1"])]], 422, "submission_wrong",
        "version 2"
      ),
      (["bearer": NSNull()], 422, "argument_wrong", "'bearer'"),
      (["bearer": "a.b.c"], 401, "bearer_refused", "bearer: the token is malformed"),
      (["bearer": Bench.token("")], 401, "bearer_refused", "'email'"),
      (["bearer": Bench.token("nobody@example.com")], 403, "user_not_mapped", "nobody@example.com"),
    ] as [([String: any Sendable], Int, String, String)])
  func submissions(more: [String: any Sendable], status: Int, code: String, part: String) async throws {
    try await Bench.run { bench in
      let reply = try await bench.call("/submit", Script.args("job", more))
      #expect(reply.status == status && reply.code == code && reply.text.contains(part), "\(reply.text)")
      #expect(try await bench.get("/queued").text == "[]\n")
    }
  }

  @Test("The same name and number with other content is a conflict, and changes nothing")
  func conflict() async throws {
    try await Bench.run(Bench.dummy(queued: 1000)) { bench in
      let job = try await bench.submit()
      let reply = try await bench.call("/submit", Script.args(lines: Script.plain + ["false"]))
      #expect(reply.status == 409 && reply.code == "job_exists")
      #expect(try await bench.get("/queued").text == "[[\"job\",\"\(job.id)\"]]\n")
    }
  }

  @Test("/exitstatus of a job that waits or runs is a conflict", arguments: [0, 1000])
  func notOver(queued: Int) async throws {
    try await Bench.run(Bench.dummy(queued: queued)) { bench in
      let job = try await bench.submit()
      await bench.look()
      let reply = try await bench.call("/exitstatus", job)
      #expect(reply.status == 409 && reply.code == "job_not_over")
      #expect(reply.text.contains(queued == 0 ? "running" : "queued"))
    }
  }

  @Test("A job that is over cannot be released")
  func releaseOver() async throws {
    try await Bench.run(Bench.dummy(running: 0)) { bench in
      let job = try await bench.submit()
      await bench.look()
      let reply = try await bench.call("/release", job)
      #expect(reply.status == 409 && reply.code == "job_over")
    }
  }

  @Test(
    "An unknown job is not found",
    arguments: ["/exitstatus", "/terminate", "/release", "/events"])
  func unknownJob(path: String) async throws {
    try await Bench.run { bench in
      let job = try await bench.submit()
      let wrong = Bench.Submitted(name: "job", id: job.id + "0", script: "")
      let reply = try await bench.call(path, wrong)
      #expect(reply.status == 404 && reply.code == "unknown_job")
    }
  }

  @Test(
    "What is not found below /request",
    arguments: [
      ("/request/other/1/%ID/ping", "unknown_job"), ("/request/job/2/%ID/ping", "unknown_job"),
      ("/request/job/one/%ID/ping", "unknown_job"), ("/request/job/1/58/tail", "unknown_job"),
      ("/request/job/1/%ID/dance", "unknown_method"), ("/request/job/1/%ID", "not_found"),
    ])
  func unknownRequest(path: String, code: String) async throws {
    try await Bench.run { bench in
      let job = try await bench.submit()
      let reply = try await bench.get(path.replacing("%ID", with: job.id))
      #expect(reply.status == 404 && reply.code == code)
    }
  }

  @Test(
    "Another method is refused with those that may be used",
    arguments: [
      ("POST", "/live", "GET, HEAD, OPTIONS"), ("DELETE", "/queued", "GET, HEAD, OPTIONS"),
      ("GET", "/submit", "OPTIONS, POST"), ("HEAD", "/exitstatus", "OPTIONS, POST"),
      ("PUT", "/request/a/1/2/ping", "GET, HEAD, OPTIONS, POST"),
    ])
  func methods(method: String, path: String, allow: String) async throws {
    try await Bench.run { bench in
      let reply = try await bench.send(method, path)
      #expect(reply.status == 405 && reply["Allow"] == allow)
      #expect(method == "HEAD" || reply.code == "method_not_allowed")
    }
  }

  @Test(
    "What readers of JSON differ in is refused, wherever it stands",
    arguments: [
      #"{"qs":{"path":["a\u0000b"]}}"#, #"{"name":"a","name":"b"}"#, #"{"a":"\ud800"}"#,
      #"{"a":"# + String(repeating: "[", count: 40) + String(repeating: "]", count: 40) + "}",
    ])
  func ambiguousJSON(args: String) async throws {
    try await Bench.run(vaultRoots: ["/"]) { bench in
      let reply = try await bench.call("/request/pvcls", args)
      #expect(reply.status == 400 && reply.code == "args_not_json")
    }
  }

  @Test("Only a submit may be large: a large body of another call is 413", arguments: ["/runstatus", "/exitstatus"])
  func largeBody(path: String) async throws {
    try await Bench.run { bench in
      let args = #"{"name":"\#(String(repeating: "a", count: 70_000))","number":1,"jobid":"1"}"#
      let refused = try await bench.call(path, args)
      let taken = try await bench.call("/submit", args)
      #expect(refused.status == 413 && taken.status == 422)
    }
  }
}

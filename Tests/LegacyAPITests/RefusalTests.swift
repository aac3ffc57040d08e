import Foundation
import Jobs
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
      (urlEncoded, "args=" + String(repeating: "[", count: 100_000), 400, "args_not_json"),
      (urlEncoded, "args=%ff", 400, "bad_request"),
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
      (#"{"number":1,"jobid":"58"}"#, "'name' is missing: a text is expected"),
      (#"{"name":1,"number":1,"jobid":"58"}"#, "'name' is wrong: a text is expected"),
      (#"{"name":"job","jobid":"58"}"#, "'number' is missing: a whole number is expected"),
      (#"{"name":"job","number":1.5,"jobid":"58"}"#, "'number' is wrong: a whole number is expected"),
      (#"{"name":"job","number":1e30,"jobid":"58"}"#, "'number' is wrong: a whole number is expected"),
      (#"{"name":"job","number":true,"jobid":"58"}"#, "'number' is wrong: a whole number is expected"),
      (#"{"name":"job","number":"1x","jobid":"58"}"#, "'number' is wrong: a whole number is expected"),
      (#"{"name":"job","number":[1],"jobid":"58"}"#, "'number' is wrong: a whole number is expected"),
      (#"{"name":"job","number":1}"#, "'jobid' is missing: a text is expected"),
      (#"{"name":"job","number":1,"jobid":true}"#, "'jobid' is wrong: a text is expected"),
      (#"{"name":"job","number":1,"jobid":null}"#, "'jobid' is wrong: a text is expected"),
    ], ["/runstatus", "/exitstatus", "/terminate", "/release", "/events"])
  func arguments(row: (args: String, sentence: String), path: String) async throws {
    try await Bench.run { bench in
      let reply = try await bench.call(path, row.args)
      #expect(reply.status == 422 && reply.text == "{\"code\":\"argument_wrong\",\"error\":\"\(row.sentence)\"}\n")
    }
  }

  @Test(
    "A submission that cannot be is refused with what is wrong in it",
    arguments: [
      (["name": NSNull()], 422, "argument_wrong", "'name'"),
      (["nodes": "many"], 422, "argument_wrong", "'nodes'"),
      (["nodes": 0], 422, "submission_wrong", "nodes: "),
      (["nodes": -5], 422, "submission_wrong", "nodes: "),
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

  @Test("A directory that is not there is not found")
  func noDirectory() async throws {
    try await Bench.run { bench in
      let reply = try await bench.call("/request/pvcls", #"{"qs":{"path":["/nowhere"]}}"#)
      #expect(reply.status == 404 && reply.code == "not_found" && reply.text.contains("/nowhere"))
    }
  }

  @Test(
    "pvcls refuses paths that lead elsewhere",
    arguments: ["/a/../b", "..", "a\u{0}b", String(repeating: "x", count: 5000)])
  func paths(path: String) async throws {
    try await Bench.run { bench in
      let args = String(
        decoding: try JSONSerialization.data(withJSONObject: ["qs": ["path": [path]]]), as: UTF8.self)
      let reply = try await bench.call("/request/pvcls", args)
      #expect(reply.status == 422 && reply.code == "path_wrong")
    }
  }
}

@Suite("Who may call")
struct CallerTests {
  @Test(
    "Without the right credentials every call but /live and /ready is refused",
    arguments: [
      ("GET", "/gc"), ("GET", "/nodes"), ("GET", "/queued"), ("HEAD", "/running"), ("POST", "/online"),
      ("POST", "/submit"), ("POST", "/runstatus"), ("POST", "/exitstatus"), ("POST", "/terminate"),
      ("POST", "/release"), ("POST", "/events"), ("POST", "/request/pvcls"), ("GET", "/request/a/1/2/ping"),
    ])
  func unauthorized(method: String, path: String) async throws {
    let wrongKey = Data("upstream:S3cret".utf8).base64EncodedString()
    try await Bench.run { bench in
      for sender in [
        .nobody, .raw("Basic " + wrongKey), .raw("Basic"), .raw("Basic ==="), .raw("Bearer x"), .raw("Digest a"),
        .raw(""), .user(""),
      ] as [Bench.Sender] {
        let reply = try await bench.send(method, path, as: sender)
        #expect(reply.status == 401 && reply["WWW-Authenticate"] == "Basic realm=\"weir\", Bearer")
        #expect(method == "HEAD" || reply.code == "unauthorized")
      }
    }
  }

  @Test("/live and /ready are open", arguments: ["/live", "/ready"])
  func open(path: String) async throws {
    try await Bench.run { bench in
      let reply = try await bench.get(path, as: .nobody)
      #expect(reply.status == 200)
    }
  }

  @Test("Each of several service keys is the upstream, in any case of the scheme")
  func keys() async throws {
    try await Bench.run { bench in
      for key in ["other:key", "upstream:s3cret"] {
        let sender = Bench.Sender.raw("basic " + Data(key.utf8).base64EncodedString())
        let reply = try await bench.get("/queued", as: sender)
        #expect(reply.status == 200)
      }
    }
  }

  @Test("The holder of a token sees and touches its own jobs only")
  func users() async throws {
    try await Bench.run(Bench.dummy(queued: 1000)) { bench in
      let kirbys = try await bench.submit("k")
      let marios = try await bench.submit("m", mail: "mario@example.com")
      let kirby = Bench.Sender.user("kirby@example.com")
      #expect(try await bench.get("/queued", as: kirby).text == "[[\"k\",\"\(kirbys.id)\"]]\n")
      #expect(try await bench.get("/running", as: kirby).text == "[]\n")
      #expect(try await bench.call("/runstatus", kirbys, as: kirby).text.hasPrefix("[[],"))
      #expect(try await bench.call("/runstatus", marios, as: kirby).text == "[null,null,null,null]\n")
      for path in ["/exitstatus", "/terminate", "/release", "/events"] {
        #expect(try await bench.call(path, marios, as: kirby).code == "unknown_job")
      }
      for method in ["ping", "tail", "abort"] {
        #expect(try await bench.get("\(marios.path)/\(method)", as: kirby).code == "unknown_job")
      }
      #expect(try await bench.call("/terminate", kirbys, as: kirby).text == "true\n")
      let rows = "[[\"k\",\"\(kirbys.id)\"],[\"m\",\"\(marios.id)\"]]\n"
      #expect(try await bench.get("/queued").text == rows, "the service sees all, and Mario's job was not touched")
    }
  }

  @Test("A user submits for itself alone")
  func submitting() async throws {
    try await Bench.run { bench in
      let kirby = Bench.Sender.user("kirby@example.com")
      let own = try await bench.call("/submit", Script.args("a"), as: kirby)
      #expect(own.status == 200)
      let foreign = try await bench.call("/submit", Script.args("b", mail: "mario@example.com"), as: kirby)
      #expect(foreign.status == 403 && foreign.code == "forbidden")
    }
  }

  @Test("A user learns nothing of another's job by submitting under its name")
  func takenName() async throws {
    try await Bench.run { bench in
      let kirbys = try await bench.submit("job")
      let args = try Script.args("job", mail: "mario@example.com")
      let reply = try await bench.call("/submit", args, as: .user("mario@example.com"))
      #expect(reply.status == 409 && !reply.text.contains(kirbys.id))
    }
  }

  @Test("Users may not list directories")
  func directories() async throws {
    try await Bench.run(StagedConnector()) { bench in
      let reply = try await bench.call("/request/pvcls", "{}", as: .user("kirby@example.com"))
      #expect(reply.status == 403 && reply.code == "forbidden")
    }
  }
}

@Suite("While the backend does not answer")
struct OutageTests {
  @Test("Before the first look nothing is listed, and the service is not ready; /live is")
  func before() async throws {
    try await Bench.run(looked: false) { bench in
      #expect(try await bench.get("/live").text == "{\"status\":\"OK\"}\n")
      let ready = try await bench.get("/ready")
      #expect(ready.status == 503)
      #expect(
        ready.text
          == "{\"reasons\":[\"the first look at the backend is under way\"],\"status\":\"BAD\",\"version\":\"1.2.3\"}\n"
      )
      for path in ["/queued", "/running"] {
        let reply = try await bench.get(path)
        #expect(reply.status == 503 && reply.code == "backend_unavailable" && reply["Retry-After"] == "5")
      }
    }
  }

  @Test("What keeps single users from the backend is a warning, no outage")
  func warnings() async throws {
    let connector = StagedConnector()
    connector.change { $0.troubles = ["kirby's login is refused"] }
    try await Bench.run(connector) { bench in
      let ready = try await bench.get("/ready")
      #expect(ready.status == 200)
      #expect(
        ready.text == "{\"status\":\"OK\",\"version\":\"1.2.3\",\"warnings\":[\"kirby's login is refused\"]}\n")
      #expect(try await bench.get("/gc").status == 200)
    }
  }

  @Test("An outage leaves the last list, /gc says BAD, and calls to the backend are errors with the reason")
  func outage() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      let job = try await bench.submit()
      connector.change { $0.failure = .unavailable("slurmctld is down") }
      await bench.look()
      #expect(try await bench.get("/queued").text == "[[\"job\",\"58\"]]\n")
      let gc = try await bench.get("/gc")
      #expect(gc.status == 500 && gc.text == "{\"status\":\"BAD\"}\n")
      #expect(try await bench.get("/ready").text.contains("slurmctld is down"))
      #expect(try await bench.call("/runstatus", job).text == "[[],\"00:00:00\",\"job/1/58\",null]\n")
      for path in ["/terminate", "/release", "/events"] {
        let reply = try await bench.call(path, job)
        #expect(reply.status == 503 && reply.code == "backend_unavailable" && reply["Retry-After"] == "5")
        #expect(reply.text.contains("slurmctld is down"))
      }
      let submit = try await bench.call("/submit", Script.args("other"))
      #expect(submit.status == 503 && submit.code == "backend_unavailable")
      connector.change { $0.failure = nil }
      await bench.look()
      #expect(try await bench.get("/gc").status == 200)
    }
  }

  @Test("The output of a job that is over is no empty text while it cannot be read")
  func output() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      let job = try await bench.submit()
      connector.change {
        $0.sighting.state = .succeeded
        $0.sighting.ending = .completed
      }
      await bench.look()
      connector.change { $0.failure = .unavailable("no route") }
      #expect(try await bench.call("/exitstatus", job).status == 503)
      connector.change {
        $0.failure = nil
        $0.output = Array("JARVICE_CMD_SUCCESS\n".utf8)
      }
      #expect(try await bench.call("/exitstatus", job).text.hasPrefix("[0,\"00:00:00\",[\"JARVICE_CMD_SUCCESS\""))
    }
  }

  @Test("What the backend refuses is the sender's mistake, and may be corrected")
  func refused() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      connector.change { $0.failure = .refused("no such partition") }
      let reply = try await bench.call("/submit", Script.args())
      #expect(reply.status == 422 && reply.text == "{\"code\":\"refused\",\"error\":\"no such partition\"}\n")
      connector.change { $0.failure = nil }
      _ = try await bench.submit(script: Script.plain + ["other"])
    }
  }

  @Test("A submit whose answer was lost is asked for again, and its job is listed")
  func unsettled() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      connector.change { $0.failure = .interrupted("the connection broke") }
      let reply = try await bench.call("/submit", Script.args())
      #expect(reply.status == 503 && reply.code == "submit_unsettled" && reply["Retry-After"] == "5")
      #expect(reply.text.contains("\"hint\":\"send the same call again"))
      #expect(try await bench.get("/queued").text.hasPrefix("[[\"job\",\""))
    }
  }
}

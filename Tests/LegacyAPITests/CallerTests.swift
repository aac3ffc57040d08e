import Foundation
import JobEngine
import Testing

@testable import LegacyAPI

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
        let challenges = reply["WWW-Authenticate"] ?? ""
        #expect(reply.status == 401)
        #expect(challenges.hasPrefix("Basic realm=\"weir\", charset=\"UTF-8\", Bearer realm=\"weir\""))
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

  @Test("Two spellings of an accent are two users")
  func spellings() async throws {
    let (composed, decomposed) = ("jos\u{e9}@example.com", "jose\u{301}@example.com")
    try await Bench.run(Bench.dummy(queued: 1000)) { bench in
      let job = try await bench.submit("job", mail: composed)
      #expect(try await bench.get("/queued", as: .user(composed)).text == "[[\"job\",\"\(job.id)\"]]\n")
      #expect(try await bench.get("/queued", as: .user(decomposed)).text == "[]\n")
      #expect(try await bench.call("/terminate", job, as: .user(decomposed)).code == "unknown_job")
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

  @Test("An administrator sees and touches all jobs, and submits for whom the bearer token names")
  func administrators() async throws {
    try await Bench.run(Bench.dummy(queued: 1000)) { bench in
      let admin = Bench.Sender.admin("luigi@example.com")
      let kirbys = try await bench.submit("k")
      let submitted = try await bench.call("/submit", Script.args("m", mail: "mario@example.com"), as: admin)
      #expect(submitted.status == 200)
      let all = try await bench.get("/queued")
      let seen = try await bench.get("/queued", as: admin)
      #expect(seen.body == all.body && seen.text.contains(kirbys.id))
      let marios = try await bench.get("/queued", as: .user("mario@example.com"))
      #expect(marios.text.hasPrefix("[[\"m\",") && !marios.text.contains(kirbys.id))
      #expect(try await bench.call("/terminate", kirbys, as: admin).text == "true\n")
    }
  }

  @Test(
    "A submit needs a bearer token in its arguments, whoever calls",
    arguments: [.upstream, .admin("luigi@example.com"), .user("kirby@example.com")] as [Bench.Sender])
  func bearer(sender: Bench.Sender) async throws {
    try await Bench.run { bench in
      let without = try await bench.call(
        "/submit", Script.args("a", mail: "kirby@example.com", ["bearer": NSNull()]), as: sender)
      #expect(without.status == 422 && without.code == "argument_wrong")
      let bad = try await bench.call("/submit", Script.args("a", ["bearer": "x.y.z"]), as: sender)
      #expect(bad.status == 401 && bad.code == "bearer_refused")
      #expect(bad["WWW-Authenticate"]?.hasPrefix("Bearer realm=\"weir\", error=\"invalid_token\"") == true)
    }
  }

  @Test(
    "A token in the query or in a form is nobody's credentials", arguments: ["access_token", "bearer", "authorization"])
  func elsewhere(name: String) async throws {
    try await Bench.run { bench in
      let token = Bench.token("kirby@example.com")
      for value in [token, "Bearer%20" + token] {
        let query = try await bench.get("/queued?\(name)=\(value)", as: .nobody)
        let form = try await bench.send(
          "POST", "/runstatus", "application/x-www-form-urlencoded", "\(name)=\(value)", as: .nobody)
        let args = try await bench.call(
          "/runstatus", #"{"name":"a","number":1,"jobid":"1","bearer":"\#(token)"}"#, as: .nobody)
        for reply in [query, form, args] { #expect(reply.status == 401) }
        let submit = try await bench.send(
          "POST", "/submit?bearer=\(value)", "application/x-www-form-urlencoded", "args={}")
        #expect(submit.status == 422, "the bearer of a submit stands in its args")
      }
    }
  }

  @Test("The backend is asked for a job that the store does not know only for those who see all jobs")
  func unknownJobs() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector, adopting: true) { bench in
      let job = #"{"name":"job","number":1,"jobid":"58"}"#
      connector.change { $0.failure = .unavailable("sacct is down") }
      for path in ["/terminate", "/runstatus"] {
        let users = try await bench.call(path, job, as: .user("mario@example.com"))
        #expect(users.code == "unknown_job" || users.text == "[null,null,null,null]\n")
        #expect(connector.current.recalls == 0)
      }
      for sender in [.upstream, .admin("luigi@example.com")] as [Bench.Sender] {
        let reply = try await bench.call("/terminate", job, as: sender)
        #expect(reply.code == "backend_unavailable")
      }
      #expect(connector.current.recalls == 2)
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
}

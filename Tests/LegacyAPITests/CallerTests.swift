import Foundation
import Jobs
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
}

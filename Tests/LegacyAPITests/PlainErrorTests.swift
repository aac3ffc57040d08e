import ConnectorAPI
import JobEngine
import Testing

@testable import LegacyAPI

@Suite("Errors of the backend, as users and as the service see them")
struct PlainErrorTests {
  /// What administrators get: it names what /ready hides from users.
  private static let reason =
    "kirby@login.example:22 refuses the login: key SHA256:abc; run `touch /etc/weir/users.yaml`"

  static let failures: [BackendError] = [
    .unavailable(reason), .interrupted(reason), .noLogin(account: "kirby", reason),
  ]

  @Test("Users get a plain text, others the reason; status, code and headers are the same", arguments: failures)
  func calls(failure: BackendError) async throws {
    let connector = StagedConnector()
    try await Bench.run(connector, vaultRoots: ["/data"]) { bench in
      let job = try await bench.submit()
      connector.change { $0.failure = failure }
      for path in ["/submit", "/terminate", "/release", "/events", "/request/job/1/58/tail", "/request/pvcls"] {
        var replies: [Reply] = []
        for sender in [.user("kirby@example.com"), .upstream, .admin("kirby@example.com")] as [Bench.Sender] {
          replies.append(try await bench.call(path, try arguments(path, job), as: sender))
        }
        let (plain, full) = (replies[0], replies[1])
        #expect(replies.allSatisfy { $0.status == 503 && $0.code == plain.code && $0["Retry-After"] == "5" }, "\(path)")
        for word in ["login.example", "SHA256", "/etc/weir", "touch"] { #expect(!plain.text.contains(word), "\(path)") }
        #expect(full.text == replies[2].text || path == "/submit", "\(path)")
        if path != "/submit" { #expect(full.text.contains("login.example:22") && full.text.contains("SHA256:abc")) }
      }
    }
  }

  private func arguments(_ path: String, _ job: Bench.Submitted) throws -> String {
    switch path {
    case "/submit": try Script.args("new")
    case "/request/pvcls": #"{"qs":{"path":["/data"]}}"#
    default: job.args
    }
  }

  @Test("Lists too")
  func lists() async throws {
    let connector = StagedConnector()
    connector.change { $0.failure = .unavailable(Self.reason) }
    try await Bench.run(connector) { bench in
      for path in ["/running", "/queued"] {
        let plain = try await bench.get(path, as: .user("kirby@example.com"))
        let words = "the backend cannot serve this request now; try again later"
        #expect(plain.text == "{\"code\":\"backend_unavailable\",\"error\":\"\(words)\"}\n")
        for sender in [.upstream, .admin("kirby@example.com")] as [Bench.Sender] {
          let full = try await bench.get(path, as: sender)
          #expect(full.status == plain.status && full.code == plain.code && full.text.contains("SHA256:abc"))
        }
      }
    }
  }

  @Test("Where the entry of a user is wrong, the hint says who has to correct what")
  func noLogin() async throws {
    let connector = StagedConnector()
    connector.change { $0.failure = .noLogin(account: "kirby", "there is no SSH key for the account kirby") }
    try await Bench.run(connector, looked: false) { bench in
      let full = try await bench.call("/submit", Script.args("a"))
      #expect(full.status == 503 && full.code == "backend_unavailable" && full.text.contains("no SSH key"))
      #expect(full.text.contains("must correct the entry of kirby in the users file"))
      let plain = try await bench.call("/submit", Script.args("b"), as: .user("kirby@example.com"))
      #expect(plain.status == 503 && plain.code == "backend_unavailable")
      #expect(plain.text.contains("must correct the entry of kirby@example.com in the users file"))
    }
  }

  @Test("A user that no entry names gets the same way out, and is not asked to try again")
  func unmapped() async throws {
    try await Bench.run { bench in
      let reply = try await bench.call("/submit", Script.args(mail: "luigi@example.com"))
      #expect(reply.status == 403 && reply.code == "user_not_mapped" && reply["Retry-After"] == nil)
      #expect(reply.text.contains("add luigi@example.com to the users file"))
    }
  }

  @Test("What a user may know stays: refusals, and that a job has not ended, with a hint")
  func harmless() async throws {
    let connector = StagedConnector()
    try await Bench.run(connector) { bench in
      let job = try await bench.submit()
      for sender in [.user("kirby@example.com"), .upstream] as [Bench.Sender] {
        let early = try await bench.call("/exitstatus", job, as: sender)
        #expect(early.status == 409 && early.code == "job_not_over")
        #expect(early.text.contains("\"hint\":\"send the request"))
      }
      connector.change { $0.failure = .refused("no such partition") }
      let refused = try await bench.call("/submit", Script.args("b"), as: .user("kirby@example.com"))
      #expect(refused.status == 422 && refused.text.contains("no such partition"))
    }
  }
}

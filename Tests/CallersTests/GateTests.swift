import Foundation
import Testing
import Tokens

@testable import Callers

private let realm = "Bearer realm=\"weir\""
private let password = "Basic realm=\"weir\", charset=\"UTF-8\""

@Suite("Who is let in")
struct GateTests {
  @Test("The caller reaches the handler, known at once or checked first", arguments: ["/now", "/later"])
  func admitted(path: String) async throws {
    try await Door.run { door in
      for _ in 0..<2 {
        let service = try await door.get(path, basic("old:key"))
        let user = try await door.get(path, "Bearer " + Token.of("kirby@example.com"))
        #expect(service.body == "service" && user.body == "kirby@example.com")
      }
      #expect(door.gate.failures == [:])
    }
  }

  @Test(
    "A refusal is 401, and says why in JSON and in the challenge",
    arguments: [
      (nil, "no_credentials", "this call needs an Authorization header", nil),
      (basic("old:kez"), "wrong_key", "the service key is wrong", nil),
      ("Digest x", "unknown_scheme", "the Authorization header is neither Basic nor Bearer", nil),
      ("Bearer \u{E4}.b.c", "unreadable_header", "the Authorization header cannot be read", nil),
      ("Bearer " + Token.forged(1), Refusal(.signature).reason, "the token's signature does not match", ""),
      (
        "Bearer " + Token.signed(#""email":"a""#, expires: 1_000_000_000), Refusal(.expired(.now)).reason,
        "the token expired at 2001-09-09T01:46:40Z", ""
      ),
      (
        "Bearer " + Token.signed(#""sub":"a""#), "no_user",
        "the token's claim 'email', which names the user, is missing or no plain text", ""
      ),
    ] as [(String?, String, String, String?)])
  func refused(field: String?, reason: String, sentence: String, error: String?) async throws {
    try await Door.run { door in
      let reply = try await door.get("/now", field)
      let attributes = error.map { _ in ", error=\"invalid_token\", error_description=\"\(sentence)\"" } ?? ""
      #expect(reply.status == 401)
      #expect(reply.values("WWW-Authenticate") == [password, realm + attributes])
      #expect(reply.error["code"] == "unauthorized" && reply.error["error"] == sentence)
      #expect(reason != "wrong_key" || reply.error["hint"]?.contains("JARVICE_SCHED_SERVER_KEY") == true)
      #expect(door.gate.failures == [reason: 1])
      #expect(door.log.lines == ["notice credentials refused address=127.0.0.1 reason=\(reason)"])
    }
  }

  @Test("A sentence with quotes, backslashes or letters beyond ASCII stays inside the challenge's quotes")
  func quoting() async throws {
    let authenticator = Authenticator(
      serviceKeys: [], verifier: try Token.verifier(), userClaim: "a\"b\\cé\u{7F}")
    try await Door.run(authenticator) { door in
      let reply = try await door.get("/now", "Bearer " + Token.of("a"))
      let sentence = "the token's claim 'a'b'c??', which names the user, is missing or no plain text"
      #expect(
        reply.values("WWW-Authenticate") == [realm + ", error=\"invalid_token\", error_description=\"\(sentence)\""])
    }
  }

  @Test(
    "Without authentication programs are served, and web pages are not",
    arguments: [
      ("localhost", [], 200), ("LOCALHOST:5000", [], 200), ("127.0.0.1:5000", [], 200), ("[::1]:5000", [], 200),
      ("127.8.9.10", ["Origin: http://127.8.9.10"], 200), ("localhost:5", ["Origin: http://localhost:5"], 200),
      ("localhost", ["Sec-Fetch-Site: none"], 200), ("localhost", ["Sec-Fetch-Site: same-origin"], 200),
      ("evil.example", [], 403), ("localhost.evil.example", [], 403), ("127.0.0.1.evil.example:80", [], 403),
      ("", [], 403), ("10.0.0.1", [], 403), ("[::2]", [], 403), ("localhost", ["Origin: http://evil.example"], 403),
      ("localhost:5000", ["Origin: http://localhost:3000"], 403), ("localhost", ["Origin: https://localhost"], 403),
      ("localhost", ["Origin: null"], 403), ("localhost", ["Sec-Fetch-Site: cross-site"], 403),
      ("localhost", ["Sec-Fetch-Site: same-site"], 403),
    ] as [(String, [String], Int)])
  func pages(host: String, fields: [String], status: Int) async throws {
    let open = Authenticator(serviceKeys: [], verifier: nil, userClaim: "email", open: true)
    try await Door.run(open) { door in
      let reply = try await door.get(host: host, fields: fields)
      #expect(reply.status == status && (status == 200 || reply.error["code"] == "foreign_page"))
    }
    try await Door.run { door in
      let reply = try await door.get(host: host, fields: fields + ["Authorization: \(basic("old:key"))"])
      #expect(reply.status == 200, "who sends credentials may come from anywhere")
    }
  }

  @Test("Only the ways that are open are named")
  func waysIn() async throws {
    try await Door.run(Authenticator(serviceKeys: ["a:b"], verifier: nil, userClaim: "email")) { door in
      let reply = try await door.get("/now", "Bearer " + Token.of("a"))
      #expect(reply.values("WWW-Authenticate") == [password])
      #expect(reply.error["error"] == "this service does not accept bearer tokens" && reply.error["hint"] != nil)
    }
  }

  @Test("Several Authorization fields are 400, even if each would do")
  func repeated() async throws {
    try await Door.run { door in
      for field in [basic("old:key"), basic("a:b"), ""] {
        let reply = try await door.get("/now", basic("old:key"), field)
        #expect(reply.status == 400 && reply.error["code"] == "repeated_header")
      }
      #expect(door.gate.failures == ["repeated_header": 3])
    }
  }

  @Test(
    "Control bytes and bytes that are no UTF-8 are refused", arguments: [0x00, 0x01, 0x0B, 0x7F, 0x80, 0xFF] as [UInt8])
  func oddBytes(byte: UInt8) async throws {
    try await Door.run { door in
      let client = try door.client()
      let reply = try await blocking {
        try client.send(
          Array("GET /now HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.".utf8) + [byte] + Array("c\r\n\r\n".utf8))
        return try client.reply()
      }
      #expect(reply.status == (byte < 0x80 ? 400 : 401))
    }
  }

  @Test("A field of 30,000 bytes is refused unread", arguments: ["Bearer ", "Basic ", ""])
  func long(scheme: String) async throws {
    try await Door.run { door in
      let reply = try await door.get("/now", scheme + String(repeating: "a", count: 30_000))
      #expect(reply.status == 401 && door.gate.failures == ["too_long": 1])
    }
  }

  @Test("What the handler throws is answered as it says, also when the credentials had to be checked first")
  func handlerErrors() async throws {
    try await Door.run { door in
      for field in [basic("old:key"), "Bearer " + Token.of("kirby@example.com")] {
        let reply = try await door.get("/wrong", field)
        #expect(reply.status == 409 && reply.error["code"] == "wrong")
      }
    }
  }

  @Test("An upgrade with credentials not seen before is asked for again")
  func upgrade() async throws {
    try await Door.run { door in
      let field = "Bearer " + Token.of("kirby@example.com")
      let first = try await door.get("/upgrade", field)
      #expect(first.status == 503 && first.values("Retry-After") == ["0"])
      #expect(try await door.get("/upgrade", field).status == 426, "426: no Upgrade field was sent")
      #expect(try await door.get("/upgrade", "bearer x").status == 401)
    }
  }

  @Test("A bearer token among the arguments names the owner; a wrong one is 401, and asks for no password")
  func bearer() async throws {
    try await Door.run { door in
      let good = try await door.post(Token.of("mario@example.com"), as: basic("old:key"))
      #expect(good.body == "mario@example.com")
      let bad = try await door.post(Token.forged(1), as: basic("old:key"))
      #expect(bad.status == 401 && bad.error["code"] == "bearer_refused")
      #expect(bad.error["error"] == "bearer: the token's signature does not match")
      #expect(
        bad.values("WWW-Authenticate").count == 1 && bad.values("WWW-Authenticate")[0].hasPrefix(realm + ", error"))
      #expect(door.gate.failures == [Refusal(.signature).reason: 1])
    }
  }

  @Test("Neither answers nor the log hold anything of the credentials")
  func secrets() async throws {
    let token = Token.of("kirby@example.com")
    let fields = [
      basic("upstream:hunter2"), "Bearer " + Token.forged(1), "Bearer " + token + "x", "Bearer hunter2",
      "Bearer hunter2.hunter2.hunter2", "hunter2 hunter2", "hunter2", "Basic hunter2!",
      "Bearer " + Token.signed(#""email":"hunter2\n""#), "Bearer " + Token.signed(#""email":"a""#, expires: 1),
    ]
    try await Door.run { door in
      for (number, field) in fields.enumerated() {
        let reply = try await door.get("/now", field, from: "127.0.1.\(number + 1)")
        #expect(reply.status == 401)
        let parts = (field.split(separator: " ") + field.split(whereSeparator: { " .".contains($0) })).dropFirst()
        for part in parts + ["hunter2"] where part.count > 6 {
          #expect(!(reply.everything + door.log.lines.joined()).contains(part))
        }
      }
      #expect(door.log.lines.count == fields.count)
    }
  }
}

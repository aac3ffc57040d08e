import Foundation
import Testing
import Tokens

@testable import Callers

@Suite("Whose credentials these are")
struct AuthenticatorTests {
  private func outcome(_ field: String?, _ authenticator: Authenticator) async -> Result<Caller, Refusal> {
    do throws(Refusal) { return .success(try await authenticator.caller(authorization: field)) } catch {
      return .failure(error)
    }
  }

  @Test(
    "Good credentials, in each form a client may write them",
    arguments: [
      (basic("old:key"), .service), (basic("new:k€y:with colon"), .service),
      ("basic " + basic("old:key").dropFirst(6), .service), ("BASIC   " + basic("old:key").dropFirst(6), .service),
      ("Bearer " + Token.of("kirby@example.com"), .user("kirby@example.com")),
      ("bEARER  " + Token.of("kirby@example.com"), .user("kirby@example.com")),
    ] as [(String, Caller)])
  func good(field: String, caller: Caller) async throws {
    #expect(await outcome(field, try .standing()) == .success(caller))
  }

  @Test(
    "Credentials that are refused, and why",
    arguments: [
      (nil, .noCredentials), ("", .unreadable), (" ", .unreadable), ("Basic", .unreadable), ("Basic ", .unreadable),
      ("Basic ===", .unreadable), ("Basic b2xkOmtleQ", .unreadable), ("Basic b2xkOmtleQ== x", .unreadable),
      ("Bearer", .unreadable), ("Bearer ", .unreadable), ("Bearer ä", .unreadable), ("Bearer a\u{1}b", .unreadable),
      ("Bearer\ta.b.c", .unreadable), ("Bearer a.b.c\u{FFFD}", .unreadable), ("Digest a", .unknownScheme),
      ("Bearer:a.b.c", .unknownScheme), (Token.of("kirby@example.com"), .unknownScheme),
      (basic("old:kez"), .wrongKey), (basic("old:ke"), .wrongKey), (basic("old:keys"), .wrongKey),
      (basic("OLD:key"), .wrongKey), (basic("old"), .wrongKey), (basic("\0"), .wrongKey),
      ("Bearer a.b.c", .token(.malformed("its header is not base64url"))),
      ("Bearer " + Token.forged(1), .token(.signature)),
      ("Bearer " + Token.of("kirby@example.com") + ",", .token(.malformed("its signature is not base64url"))),
      (
        "Bearer " + Token.signed(#""email":"kirby@example.com""#, expires: 1_000_000_000),
        .token(.expired(Date(timeIntervalSince1970: 1_000_000_000)))
      ),
      ("Bearer " + String(repeating: "a", count: 16_384), .token(.malformed("it does not consist of three parts"))),
      ("Bearer " + String(repeating: "a", count: 16_385), .tooLong),
    ] as [(String?, Refusal)])
  func refused(field: String?, refusal: Refusal) async throws {
    #expect(await outcome(field, try .standing()) == .failure(refusal))
  }

  @Test("A service key without a user or a password lets nobody in", arguments: ["a:", ":b", ":", "a", ""])
  func emptyKeys(key: String) async {
    let authenticator = Authenticator(serviceKeys: [key, "c:d"], verifier: nil, userClaim: "email")
    #expect(await outcome(basic(key), authenticator) == .failure(key.isEmpty ? .unreadable : .wrongKey))
    #expect(await outcome(basic("c:d"), authenticator) == .success(.service))
  }

  @Test(
    "A token whose claim cannot name a user is refused",
    arguments: [
      #""sub":"kirby""#, #""email":"""#, #""email":7"#, #""email":null"#, #""email":["kirby@example.com"]"#,
      #""email":"a\nb""#, #""email":"a\u0001""#, #""email":"\u202ekirby""#, #""email":"a\u2028b""#,
      #""email":"service""#,
      #""email":"anybody""#, #""email":"\#(String(repeating: "a", count: 257))""#,
    ])
  func unnamed(members: String) async throws {
    let outcome = await outcome("Bearer " + Token.signed(members), try .standing())
    #expect(outcome == .failure(.noUser(claim: "email")))
  }

  @Test(
    "The administrators' claim is the value, or holds it",
    arguments: [
      (#""weir admins""#, true), (#"["users","weir admins"]"#, true), (#"[7,"weir admins"]"#, true),
      (#""weir""#, false), (#""weir admins x""#, false), (#""Weir Admins""#, false), ("[]", false),
      (#"["weir","admins"]"#, false), (#"[["weir admins"]]"#, false), (#"{"weir admins":true}"#, false),
      ("true", false), ("null", false),
    ])
  func admins(groups: String, isAdmin: Bool) async throws {
    let token = Token.signed(#""email":"kirby@example.com","groups":\#(groups)"#)
    let caller: Caller = isAdmin ? .admin("kirby@example.com") : .user("kirby@example.com")
    #expect(await outcome("Bearer " + token, try .standing()) == .success(caller))
  }

  @Test("Without the setting nobody is an administrator, and an administrator has to be named")
  func noAdmins() async throws {
    let authenticator = Authenticator(serviceKeys: [], verifier: try Token.verifier(), userClaim: "email")
    let token = Token.signed(#""email":"kirby@example.com","groups":["weir admins"],"":"""#)
    #expect(await outcome("Bearer " + token, authenticator) == .success(.user("kirby@example.com")))
    let nameless = Token.signed(#""groups":["weir admins"]"#)
    #expect(await outcome("Bearer " + nameless, try .standing()) == .failure(.noUser(claim: "email")))
  }

  @Test("A claim of another name names the user")
  func otherClaim() async throws {
    let authenticator = Authenticator(serviceKeys: [], verifier: try Token.verifier(), userClaim: "upn")
    let token = Token.signed(#""email":"mario@example.com","upn":"kirby""#)
    #expect(await outcome("Bearer " + token, authenticator) == .success(.user("kirby")))
    #expect(try await authenticator.owner(ofToken: token) == "kirby")
  }

  @Test("Without keys, no password is right, and without a verifier no token is taken", arguments: ["", ":", "a:b"])
  func nothingConfigured(pair: String) async {
    let authenticator = Authenticator(serviceKeys: ["", ""], verifier: nil, userClaim: "email")
    let refusal: Refusal = pair.isEmpty ? .unreadable : .wrongKey
    #expect(await outcome(basic(pair), authenticator) == .failure(refusal))
    #expect(await outcome("Bearer " + Token.of("kirby@example.com"), authenticator) == .failure(.tokensNotTaken))
  }

  @Test("Switched off, it takes anybody, whatever is sent", arguments: [nil, "", "Bearer x", basic("a:b")])
  func open(field: String?) async {
    let authenticator = Authenticator(serviceKeys: ["old:key"], verifier: nil, userClaim: "email", open: true)
    #expect(await outcome(field, authenticator) == .success(.anybody))
    #expect(authenticator.known(authorization: field) == .anybody)
  }

  @Test("Known at once are service keys, and tokens that were verified before, as whatever they are")
  func known() async throws {
    let authenticator = try Authenticator.standing()
    let admin = "Bearer " + Token.signed(#""email":"kirby@example.com","groups":"weir admins""#)
    #expect(authenticator.known(authorization: basic("old:key")) == .service)
    #expect(authenticator.known(authorization: "basic " + basic("old:key").dropFirst(6)) == .service)
    #expect(authenticator.known(authorization: admin) == nil)
    _ = try await authenticator.caller(authorization: admin)
    #expect(authenticator.known(authorization: admin) == .admin("kirby@example.com"))
    let past = Date(timeIntervalSince1970: 4_102_444_801)
    #expect(authenticator.known(authorization: admin, now: past) == nil, "not past its exp")
    for field in [nil, "", basic("old:kez"), "Bearer " + Token.forged(1)] {
      #expect(authenticator.known(authorization: field) == nil)
    }
  }

  @Test(
    "Who may access whose jobs",
    arguments: [
      (.service, true, true, false), (.admin("a"), true, true, true), (.anybody, true, true, true),
      (.user("kirby"), true, false, false), (.user("Kirby"), false, false, false), (.user(""), false, false, false),
    ] as [(Caller, Bool, Bool, Bool)])
  func access(caller: Caller, kirbys: Bool, marios: Bool, isAdmin: Bool) {
    #expect(caller.mayAccess(jobsOf: "kirby") == kirbys)
    #expect(caller.mayAccess(jobsOf: "mario") == marios)
    #expect(caller.isAdmin == isAdmin)
  }

  @Test("Two spellings of an accent are two owners, as they are to the store")
  func spellings() {
    #expect(!Caller.user("jos\u{E9}").mayAccess(jobsOf: "jose\u{301}"))
  }
}

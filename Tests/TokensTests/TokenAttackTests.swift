import Foundation
import Testing

@testable import Tokens

private let now = Date(timeIntervalSince1970: 1_800_000_000)
private let good = #"{"exp":1800000600,"sub":"kirbystar"}"#

@Suite("Attacks on tokens", .timeLimit(.minutes(2)))
struct TokenAttackTests {
  private func verifier(
    _ keys: [SigningKey], change: (inout TokenVerifier.Rules) -> Void = { _ in }
  ) throws -> TokenVerifier {
    var rules = TokenVerifier.Rules()
    change(&rules)
    let keys = try keys.map { key in
      try VerificationKey(contents: key === SigningKey.secret ? TokenVerifierTests.secret : key.publicPEM)
    }
    return try TokenVerifier(keys: keys, rules: rules)
  }

  private func reason(_ token: String, _ verifier: TokenVerifier) async -> TokenError.Reason? {
    do {
      _ = try await verifier.verify(token, now: now)
      return nil
    } catch {
      return error.reason
    }
  }

  /// The order of the group of P-256.
  private static let order: [UInt8] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
  ]

  @Test("ECDSA signatures of zeros, of the group's order, in DER or of a wrong length are bad")
  func ecdsa() async throws {
    let verifier = try verifier([.p256])
    let parts = SigningKey.p256.token(good, .ES256).split(separator: ".").map(String.init)
    let signature = try #require(Base64URL.decode(parts[2].utf8))
    let (r, s) = (Array(signature.prefix(32)), Array(signature.suffix(32)))
    let zero = [UInt8](repeating: 0, count: 32)
    let one: [UInt8] = zero.dropLast() + [1]
    let (high, n) = ([UInt8](repeating: 0xff, count: 32), Self.order)
    // An INTEGER whose first bit is set has a zero in front.
    func integer(_ bytes: [UInt8]) -> [UInt8] { [2, 33, 0] + bytes }
    let forged: [[UInt8]] = [
      zero + zero, zero + one, one + zero, one + one, n + n, r + n, n + s, r + zero, zero + s, high + high, s + r,
      Array((r + s).dropLast()), Array((r + s).dropFirst()),
      [0x30, 70] + integer(r) + integer(s), [0x30, 6, 2, 1, 0, 2, 1, 0], [0x30, 6, 2, 1, 1, 2, 1, 1],
      r, s, r + s + [0], [0] + r + s, [0] + r + [0] + s, [], [0], r + s + r + s,
    ]
    for bytes in forged {
      #expect(await reason("\(parts[0]).\(parts[1]).\(base64URL(bytes))", verifier) == .badSignature, "\(bytes)")
    }
    #expect(await reason(parts.joined(separator: "."), verifier) == nil)
  }

  @Test("one bit flipped, anywhere in the signature, is noticed", arguments: [Algorithm.HS256, .RS256, .ES256])
  func bits(algorithm: Algorithm) async throws {
    let key: SigningKey = [.HS256: .secret, .RS256: .rsa, .ES256: .p256][algorithm] ?? .secret
    let verifier = try verifier([key])
    let parts = key.token(good, algorithm).split(separator: ".").map(String.init)
    let signature = try #require(Base64URL.decode(parts[2].utf8))
    for position in signature.indices {
      var flipped = signature
      flipped[position] ^= 1 << UInt8(position % 8)
      #expect(await reason("\(parts[0]).\(parts[1]).\(base64URL(flipped))", verifier) == .badSignature)
    }
  }

  @Test("with keys of several kinds each serves its own algorithms only")
  func confusion() async throws {
    let verifier = try verifier([.rsa, .p256, .secret])
    for (key, algorithm) in [(SigningKey.rsa, Algorithm.RS256), (.p256, .ES256), (.secret, .HS512)] {
      #expect(await reason(key.token(good, algorithm), verifier) == nil)
    }
    let pem = SigningKey.rsa.publicPEM
    for secret: [UInt8] in [pem, pem.dropLast(), SigningKey.rsa.publicDER, [0]] {
      for algorithm in [Algorithm.HS256, .HS384, .HS512] {
        #expect(await reason(SigningKey.hmac(secret).token(good, algorithm), verifier) == .badSignature)
      }
    }
    let lies: [(SigningKey, Algorithm, String)] = [
      (.rsa, .RS256, "ES256"), (.p256, .ES256, "RS256"), (.p384, .ES384, "ES256"), (.rsa, .RS256, "RS384"),
      (.rsa, .RS256, "HS256"), (.secret, .HS256, "RS256"), (.secret, .HS256, "HS384"),
    ]
    for (key, algorithm, name) in lies {
      let token = key.token(header: #"{"alg":"\#(name)"}"#, payload: good, algorithm: algorithm)
      #expect(await reason(token, verifier) == .badSignature, "\(algorithm) as \(name)")
    }
    #expect(await reason(SigningKey.p384.token(good, .ES384), verifier) == .wrongAlgorithm)
  }

  @Test(
    "without a signature no spelling of none helps",
    arguments: ["none", "None", "NONE", "nOnE", "none ", "", "null", "HS0", "HS256none", "no\\u006ee"])
  func none(name: String) async throws {
    let verifier = try verifier([.rsa, .secret])
    for signature in ["", ".", ".AAAA", "." + base64URL(Array("none".utf8))] {
      let signed = base64URL(Array(#"{"alg":"\#(name)"}"#.utf8)) + "." + base64URL(Array(good.utf8))
      let found = await reason(signed + signature, verifier)
      #expect(found == .wrongAlgorithm || found == .malformed)
    }
  }

  @Test("a signature is good for its own token only")
  func swapped() async throws {
    let verifier = try verifier([.p256])
    let one = SigningKey.p256.token(good, .ES256).split(separator: ".")
    let two = SigningKey.p256.token(#"{"exp":1800000600,"sub":"root"}"#, .ES256).split(separator: ".")
    #expect(await reason("\(two[0]).\(two[1]).\(one[2])", verifier) == .badSignature)
    #expect(await reason("\(one[1]).\(one[0]).\(one[2])", verifier) == .missingExpiry)
  }

  @Test(
    "a header of odd types is malformed",
    arguments: [
      #""kid":1"#, #""kid":null"#, #""kid":["a"]"#, #""kid":"\#(String(repeating: "k", count: 257))""#,
      #""typ":["JWT"]"#,
      #""typ":{}"#, #""kid":"a","kid":"b""#, #""kid":"a\u0000b""#,
    ])
  func header(member: String) async throws {
    let token = SigningKey.secret.token(header: #"{"alg":"HS256",\#(member)}"#, payload: good, algorithm: .HS256)
    #expect(await reason(token, try verifier([.secret])) == .malformed)
  }

  @Test("a kid of any text neither helps nor harms with keys that have no names")
  func names() async throws {
    let verifier = try verifier([.secret])
    for name in ["../../dev/null", "/dev/null", "' UNION SELECT 'x", "é🇨🇭", "", String(repeating: "k", count: 256)] {
      #expect(await reason(SigningKey.secret.token(good, .HS256, kid: name), verifier) == nil)
      #expect(await reason(SigningKey.hmac([0]).token(good, .HS256, kid: name), verifier) == .badSignature)
    }
  }

  @Test(
    "types beside JWT are taken if libjwt takes them, and otherwise the refusal says so",
    arguments: ["at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"])
  func types(type: String) async throws {
    let token = SigningKey.secret.token(header: #"{"alg":"HS256","typ":"\#(type)"}"#, payload: good, algorithm: .HS256)
    #expect(await reason(token, try verifier([.secret])) == (Signature.isCheckedForEveryType ? nil : .unsupportedType))
    #expect(TokenError.type("at+jwt").description.contains("libjwt"))
  }

  @Test(
    "types that are no bearer tokens are refused", arguments: ["", "jwt ", "JOSE", "dpop+jwt", "secevent+jwt", "ID"])
  func otherTypes(type: String) async throws {
    let token = SigningKey.secret.token(header: #"{"alg":"HS256","typ":"\#(type)"}"#, payload: good, algorithm: .HS256)
    #expect(await reason(token, try verifier([.secret])) == .unsupportedType)
  }

  static let audiences: [(String, TokenError.Reason?)] = [
    (#""iss":"https://idp","aud":"weir""#, nil), (#""iss":"https://idp","aud":["a","weir"]"#, nil),
    (#""iss":"https://idp","aud":[]"#, .wrongAudience), (#""iss":"https://idp""#, .wrongAudience),
    (#""iss":"https://idp","aud":"Weir""#, .wrongAudience), (#""iss":"https://idp","aud":"weir ""#, .wrongAudience),
    (#""iss":"https://idp","aud":["weirder","we"]"#, .wrongAudience), (#""iss":"https://idp","aud":7"#, .malformed),
    (#""iss":"https://idp","aud":["weir",7]"#, .malformed), (#""iss":"https://idp","aud":{"weir":1}"#, .malformed),
    (#""aud":"weir""#, .wrongIssuer), (#""iss":"https://idp/","aud":"weir""#, .wrongIssuer),
    (#""iss":"https://IDP","aud":"weir""#, .wrongIssuer), (#""iss":["https://idp"],"aud":"weir""#, .malformed),
    (#""iss":null,"aud":"weir""#, .malformed), (#""iss":"","aud":"weir""#, .wrongIssuer),
  ]

  @Test("issuer and audience must be those that are set, exactly", arguments: audiences)
  func audience(claims: String, expected: TokenError.Reason?) async throws {
    let verifier = try verifier([.secret]) { ($0.issuer, $0.audience) = ("https://idp", "weir") }
    let payload = #"{"exp":1800000600,\#(claims)}"#
    #expect(await reason(SigningKey.secret.token(payload, .HS256), verifier) == expected)
    #expect(await reason(SigningKey.hmac([0]).token(payload, .HS256), verifier) != nil)
  }

  @Test("another spelling of the issuer's letters is another issuer")
  func spelling() async throws {
    let verifier = try verifier([.secret]) { $0.issuer = "caf\u{e9}" }
    #expect(
      await reason(SigningKey.secret.token("{\"exp\":1800000600,\"iss\":\"caf\u{e9}\"}", .HS256), verifier) == nil)
    let decomposed = SigningKey.secret.token("{\"exp\":1800000600,\"iss\":\"cafe\u{301}\"}", .HS256)
    #expect(await reason(decomposed, verifier) == .wrongIssuer)
  }

  @Test("any number of bad tokens is not remembered, and good ones are known at once meanwhile")
  func flood() async throws {
    let verifier = try verifier([.secret])
    let token = SigningKey.secret.token(good, .HS256)
    _ = try await verifier.verify(token, now: now)
    let forger = SigningKey.hmac([0])
    for number in 0..<5000 {
      let forged = forger.token(#"{"exp":1800000600,"jti":"\#(number)"}"#, .HS256)
      #expect(await reason(forged, verifier) == .badSignature)
      #expect(verifier.cached(token, now: now) != nil)
    }
    #expect(verifier.cache.count == 1)
  }

  @Test("past a bound tokens do not wait but are told so, and known ones are served all the same")
  func crowd() async throws {
    let verifier = try verifier([.rsa])
    let token = SigningKey.rsa.token(good, .RS256)
    _ = try await verifier.verify(token, now: now)
    let forged = SigningKey.otherRSA.token(good, .RS256)
    let began = ContinuousClock.now
    let reasons = await withTaskGroup { group in
      for _ in 0..<4000 { group.addTask { await reason(forged, verifier) } }
      #expect(verifier.cached(token, now: now) != nil)
      return await group.reduce(into: [TokenError.Reason?: Int]()) { $0[$1, default: 0] += 1 }
    }
    #expect(Set(reasons.keys).isSubset(of: [.busy, .badSignature]))
    #expect(reasons[.badSignature, default: 0] >= 1000)
    #expect(reasons[.busy, default: 0] > 0)
    #expect(began.duration(to: .now) < .seconds(30))
    #expect(await reason(token, verifier) == nil)
  }
}

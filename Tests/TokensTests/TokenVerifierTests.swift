import Foundation
import Synchronization
import Testing

@testable import Tokens

/// The time at which the tests take place.
private let now = Date(timeIntervalSince1970: 1_800_000_000)
private let good = #"{"exp":1800000600,"sub":"kirbystar","email":"k@example.com"}"#

/// Those that every libjwt verifies.
private let classic = Algorithm.allCases.filter { !$0.rawValue.hasPrefix("PS") && $0 != .EdDSA }

private func verifier(
  _ material: [UInt8], _ algorithms: [Algorithm], leeway: Duration = .seconds(30)
) throws -> TokenVerifier {
  var rules = TokenVerifier.Rules()
  rules.algorithms = Set(algorithms)
  rules.leeway = leeway
  return try TokenVerifier(keys: [VerificationKey(contents: material)], rules: rules)
}

private func refusal(
  _ token: String, _ verifier: TokenVerifier, now: Date = now, isSuspect: Bool = false
) async -> TokenError? {
  do {
    _ = try await verifier.verify(token, now: now, isSuspect: isSuspect)
    return nil
  } catch {
    return error
  }
}

/// Who came in which order.
private final class Order: Sendable {
  private let list = Mutex<[String]>([])
  var names: [String] { list.withLock { $0 } }
  func add(_ name: String) { list.withLock { $0.append(name) } }
}

@Suite("TokenVerifier")
struct TokenVerifierTests {
  static let secret: [UInt8] = (0..<64).map { UInt8($0 * 3 % 251) }
  /// A verifier with the secret, which signs quickest.
  let hmac: TokenVerifier

  init() throws { hmac = try verifier(Self.secret, [.HS256]) }

  static let keys: [(Algorithm, SigningKey, [UInt8])] = [
    (.HS256, .secret, secret), (.HS384, .secret, secret), (.HS512, .secret, secret),
    (.RS256, .rsa, SigningKey.rsa.publicPEM), (.RS384, .rsa, SigningKey.rsa.publicPEM),
    (.RS512, .rsa, SigningKey.rsa.publicPEM), (.ES256, .p256, SigningKey.p256.publicPEM),
    (.ES384, .p384, SigningKey.p384.publicPEM), (.ES512, .p521, SigningKey.p521.publicPEM),
  ]

  @Test("accepts a token signed with each algorithm", arguments: classic)
  func goodToken(algorithm: Algorithm) async throws {
    let (_, key, material) = try #require(Self.keys.first { $0.0 == algorithm })
    let claims = try await verifier(material, [algorithm]).verify(key.token(good, algorithm), now: now)
    #expect(claims.subject == "kirbystar")
    #expect(claims.string("email") == "k@example.com")
    #expect(claims.expiresAt == Date(timeIntervalSince1970: 1_800_000_600))
    #expect(claims.string("exp") == nil)
    #expect(claims.string("name") == nil)
    #expect(claims.notBefore == nil)
    #expect(claims.issuedAt == nil)
  }

  @Test("accepts the example of RFC 7515, appendix A.1")
  func example() async throws {
    let key = try #require(
      Base64URL.decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow".utf8))
    let token = """
      eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
      .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
      .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk
      """
    let claims = try await verifier(key, [.HS256]).verify(token, now: Date(timeIntervalSince1970: 1_300_819_379))
    #expect(claims.string("iss") == "joe")
  }

  @Test("refuses a token whose text was changed anywhere", arguments: classic)
  func tampered(algorithm: Algorithm) async throws {
    let (_, key, material) = try #require(Self.keys.first { $0.0 == algorithm })
    let verifier = try verifier(material, [algorithm])
    let parts = key.token(good, algorithm).split(separator: ".").map(String.init)
    let payload = base64URL(Array(good.replacing("kirbystar", with: "root").utf8))
    #expect(await refusal([parts[0], payload, parts[2]].joined(separator: "."), verifier) == .signature)
    let header = base64URL(Array(#"{"alg":"\#(algorithm)","typ":"jwt"}"#.utf8))
    #expect(await refusal([header, parts[1], parts[2]].joined(separator: "."), verifier) == .signature)
    for position in [0, 1, parts[2].utf8.count / 2] {
      var signature = Array(parts[2].utf8)
      signature[position] = signature[position] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
      let token = parts[0] + "." + parts[1] + "." + String(decoding: signature, as: UTF8.self)
      #expect(await refusal(token, verifier) == .signature)
    }
    for signature in [String(parts[2].dropLast(4)), parts[2] + "AAAA", String(repeating: "A", count: 86), "AAAA", ""] {
      #expect(await refusal(parts[0] + "." + parts[1] + "." + signature, verifier) != nil)
    }
  }

  @Test("refuses a token signed with another key")
  func otherKey() async throws {
    let other = SigningKey.hmac(Self.secret.reversed())
    #expect(await refusal(other.token(good, .HS256), hmac) == .signature)
    let rsa = try verifier(SigningKey.rsa.publicPEM, [.RS256])
    #expect(await refusal(SigningKey.otherRSA.token(good, .RS256), rsa) == .signature)
    let ec = try verifier(SigningKey.p256.publicPEM, [.ES256])
    #expect(await refusal(SigningKey.otherP256.token(good, .ES256), ec) == .signature)
  }

  @Test("refuses an HMAC token made with the public key as the secret")
  func confusedAlgorithm() async throws {
    for (key, algorithm) in [(SigningKey.rsa, Algorithm.RS256), (.p256, .ES256)] {
      let forger = SigningKey.hmac(key.publicPEM)
      let verifier = try verifier(key.publicPEM, [algorithm])
      #expect(await refusal(forger.token(good, .HS256), verifier) == .algorithm("HS256"))
      let lying = forger.token(header: #"{"alg":"\#(algorithm)"}"#, payload: good, algorithm: .HS256)
      #expect(await refusal(lying, verifier) == .signature)
    }
  }

  @Test("refuses an algorithm that fits the key but is not allowed")
  func disallowedAlgorithm() async throws {
    let rsa = try verifier(SigningKey.rsa.publicPEM, [.RS256])
    #expect(await refusal(SigningKey.rsa.token(good, .RS512), rsa) == .algorithm("RS512"))
    #expect(await refusal(SigningKey.secret.token(good, .HS512), hmac) == .algorithm("HS512"))
  }

  @Test(
    "refuses an algorithm that is not named exactly",
    arguments: [
      (#"{"alg":"none"}"#, "none"), (#"{"alg":"None"}"#, "None"), (#"{"alg":"hs256"}"#, "hs256"),
      (#"{"alg":"HS256 "}"#, "unknown"), (#"{"alg":" HS256"}"#, "unknown"), (#"{"alg":""}"#, "unknown"),
      (#"{"alg":"HS257"}"#, "HS257"), (#"{"alg":"PS256"}"#, "PS256"), (#"{"alg":"EdDSA"}"#, "EdDSA"),
      (#"{"alg":256}"#, "unknown"), (#"{"alg":null}"#, "unknown"), (#"{"alg":["HS256"]}"#, "unknown"),
      ("{}", "unknown"),
      (#"{"ALG":"HS256"}"#, "unknown"), (#"{"alg":"<script>"}"#, "unknown"),
      (#"{"alg":"\#(String(repeating: "H", count: 33))"}"#, "unknown"),
    ])
  func algorithmName(header: String, shown: String) async {
    let token = SigningKey.secret.token(header: header, payload: good, algorithm: .HS256)
    #expect(await refusal(token, hmac) == .algorithm(shown))
    let unsigned = base64URL(Array(header.utf8)) + "." + base64URL(Array(good.utf8)) + "."
    #expect(await refusal(unsigned, hmac) == .algorithm(shown))
  }

  @Test(
    "takes typ in any case, or none",
    arguments: [#"{"alg":"HS256"}"#, #"{"typ":"jwt","alg":"HS256"}"#, #"{ "kid" : "1", "alg":"HS256", "typ":"JWT" }"#])
  func type(header: String) async throws {
    _ = try await hmac.verify(SigningKey.secret.token(header: header, payload: good, algorithm: .HS256), now: now)
  }

  @Test(
    "refuses a header that is no plain JWT header, though it is signed",
    arguments: [
      #"{"alg":"HS256","typ":1}"#, #"{"alg":"HS256","typ":null}"#, #"{"alg":"HS256","alg":"HS256"}"#,
      #"{"alg":"HS256","al\u0067":"HS256"}"#, #"{"alg":"HS256"} x"#, #"["alg","HS256"]"#, "", "{", "null",
    ])
  func malformedHeader(header: String) async {
    let token = SigningKey.secret.token(header: header, payload: good, algorithm: .HS256)
    #expect(await refusal(token, hmac)?.reason == .malformed)
  }

  static let malformedPayloads: [String] = [
    "", "null", "[]", #"{"exp":1800000600,"exp":1900000000}"#, #"{"exp":1800000600,"e\u0078p":1900000000}"#,
    #"{"exp":1800000600,"a":{"b":1,"b":2}}"#, #"{"exp":1800000600,"sub":"root\u0000x"}"#,
    #"{"exp":1800000600}{}"#, "{\"exp\":1800000600}\0", #"{"exp":1800000600,"sub":1}"#, #"{"exp":"1800000600"}"#,
    #"{"exp":null}"#, #"{"exp":true}"#, #"{"exp":-1}"#, #"{"exp":1e400}"#, #"{"exp":1e300}"#, #"{"exp":NaN}"#,
    #"{"exp":1800000600000}"#, #"{"exp":1800000600,"nbf":"0"}"#, #"{"exp":1800000600,"iat":[]}"#,
    #"{"exp":1800000600,"a":"# + String(repeating: "[", count: 5000),
    #"{"exp":1800000600,"a":"# + String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000) + "}",
  ]

  @Test("refuses claims that another reader may read otherwise, though they are signed", arguments: malformedPayloads)
  func malformedPayload(payload: String) async {
    #expect(await refusal(SigningKey.secret.token(payload, .HS256), hmac)?.reason == .malformed)
  }

  @Test(
    "refuses critical extensions",
    arguments: [
      (#"["b64"]"#, "b64"), (#"["exp","x y",1]"#, "exp, unknown, unknown"), ("[]", "not a list of names"),
      ("null", "not a list of names"),
    ])
  func critical(value: String, shown: String) async {
    let header = #"{"alg":"HS256","crit":\#(value),"b64":true}"#
    #expect(
      await refusal(SigningKey.secret.token(header: header, payload: good, algorithm: .HS256), hmac) == .critical(shown)
    )
  }

  /// libjwt itself takes much of this where the signature is not HMAC. The signatures differ in length by algorithm, so that all
  /// remainders of base64 occur.
  @Test(
    "refuses a good token with anything added, padded or missing", arguments: [Algorithm.HS256, .RS256, .ES256, .ES384])
  func writing(algorithm: Algorithm) async throws {
    let (_, key, material) = try #require(Self.keys.first { $0.0 == algorithm })
    let verifier = try verifier(material, [algorithm])
    let token = key.token(good, algorithm)
    let parts = token.split(separator: ".").map(String.init)
    let (header, payload, signature) = (parts[0], parts[1], parts[2])
    var variants = [
      "", ".", "..", "...", header, header + "." + payload, header + "." + payload + ".", header + "..",
      header + ".." + signature, "." + payload + "." + signature, "Bearer " + token, token.replacing(".", with: ".."),
      "é",
    ]
    for junk in ["=", "==", "\n", " ", "+", "/", "\0", "\0x", "%3D", "é", "A", "AA", "AAA", ".", ".A"] {
      for index in parts.indices {
        variants.append(parts.enumerated().map { $0 == index ? $1 + junk : $1 }.joined(separator: "."))
        variants.append(parts.enumerated().map { $0 == index ? junk + $1 : $1 }.joined(separator: "."))
      }
    }
    for variant in variants { #expect(await refusal(variant, verifier) != nil, "\(variant.debugDescription)") }
    _ = try await verifier.verify(token, now: now)
  }

  @Test("refuses the other texts that decode to the same signature")
  func leftOverBits() async throws {
    // 32 bytes take 43 characters, the last of which has two bits to spare.
    let token = SigningKey.secret.token(good, .HS256)
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    let last = try #require(token.last.flatMap(alphabet.firstIndex))
    #expect(last % 4 == 0)
    for spare in 1...3 {
      #expect(await refusal(token.dropLast() + String(alphabet[last + spare]), hmac)?.reason == .malformed)
    }
  }

  @Test("refuses a token over 16 KB before looking into it, and takes a large one under that")
  func length() async throws {
    func token(filler: Int) -> String {
      SigningKey.secret.token(#"{"exp":1800000600,"x":"\#(String(repeating: "x", count: filler))"}"#, .HS256)
    }
    _ = try await hmac.verify(token(filler: 12_000), now: now)
    #expect(await refusal(token(filler: 12_400), hmac) == .tooLong)
    #expect(await refusal(String(repeating: ".", count: 5_000_000), hmac) == .tooLong)
    #expect(hmac.cached(String(repeating: "a", count: 5_000_000), now: now) == nil)
    #expect(await refusal(String(repeating: ".", count: 16_384), hmac)?.reason == .malformed)
  }

  @Test(
    "holds the times against the clock, with leeway",
    arguments: [
      (#"{"exp":1800000000}"#, nil as TokenError.Reason?),
      (#"{"exp":1799999971}"#, nil),
      (#"{"exp":1799999970.5}"#, nil),
      (#"{"exp":1799999970}"#, .expired),
      (#"{"exp":0}"#, .expired),
      (#"{"exp":1.8000006e9}"#, nil),
      (#"{"exp":253402300799}"#, nil),
      (#"{"exp":1800000600,"nbf":1800000030}"#, nil),
      (#"{"exp":1800000600,"nbf":1800000031}"#, .notYetValid),
      (#"{"exp":1800000600,"iat":1800000030}"#, nil),
      (#"{"exp":1800000600,"iat":1800000031}"#, .issuedInFuture),
      (#"{"exp":1800000600,"iat":0,"nbf":0}"#, nil),
      (#"{"sub":"x"}"#, .missingExpiry),
      ("{}", .missingExpiry),
    ])
  func times(payload: String, reason: TokenError.Reason?) async {
    #expect(await refusal(SigningKey.secret.token(payload, .HS256), hmac)?.reason == reason)
  }

  @Test("has no leeway where none is set, nor a negative one", arguments: [Duration.zero, .seconds(-10)])
  func noLeeway(leeway: Duration) async throws {
    let strict = try verifier(Self.secret, [.HS256], leeway: leeway)
    #expect(
      await refusal(SigningKey.secret.token(#"{"exp":1800000000}"#, .HS256), strict)
        == .expired(Date(timeIntervalSince1970: 1_800_000_000)))
    #expect(await refusal(SigningKey.secret.token(#"{"exp":1800000000.5,"nbf":1800000000}"#, .HS256), strict) == nil)
  }

  @Test("says expired only of tokens that are signed")
  func signatureFirst() async {
    let forged = SigningKey.hmac(Self.secret.reversed()).token(#"{"exp":0}"#, .HS256)
    #expect(await refusal(forged, hmac) == .signature)
  }

  @Test("remembers a good token until its exp, whatever the leeway")
  func cache() async throws {
    let token = SigningKey.secret.token(#"{"exp":1800000600,"nbf":1800000000,"sub":"a"}"#, .HS256)
    #expect(hmac.cached(token, now: now) == nil)
    _ = try await hmac.verify(token, now: now)
    #expect(hmac.cached(token, now: now)?.subject == "a")
    #expect(hmac.cached(token, now: now + 599.9)?.subject == "a")
    #expect(hmac.cached(token, now: now + 600) == nil)
    #expect(hmac.cached(token, now: now - 31) == nil)
    #expect(await refusal(token, hmac, now: now + 629) == nil)
    #expect(await refusal(token, hmac, now: now + 630)?.reason == .expired)
    #expect(await refusal(token, hmac, now: now - 31)?.reason == .notYetValid)
    #expect(hmac.cached(token + "A", now: now) == nil)
  }

  @Test("takes other keys in place of those it has, and forgets the tokens of the old ones")
  func replaced() async throws {
    let verifier = try verifier(SigningKey.p256.publicPEM, [.ES256])
    let token = SigningKey.p256.token(good, .ES256)
    #expect(await refusal(token, verifier) == nil && verifier.cached(token, now: now) != nil)
    #expect(throws: KeyError.self) { try verifier.replaceKeys(by: []) }
    #expect(throws: KeyError.self) { try verifier.replaceKeys(by: [VerificationKey(contents: Self.secret)]) }
    #expect(verifier.cached(token, now: now) != nil, "what cannot be used changes nothing")
    try verifier.replaceKeys(by: [VerificationKey(contents: SigningKey.otherP256.publicPEM)])
    #expect(verifier.cached(token, now: now) == nil)
    #expect(await refusal(token, verifier) == .signature)
    #expect(await refusal(SigningKey.otherP256.token(good, .ES256), verifier) == nil)
  }

  @Test("checks those first who are not suspected, then the suspected ones that cost little")
  func order() async throws {
    let queue = SignatureQueue()
    let keys = try [SigningKey.rsa, .otherRSA].map { try VerificationKey(contents: $0.publicPEM) }
    let token = SigningKey.p256.token(good, .RS256)
    let order = Order()
    queue.queue.suspend()
    await withTaskGroup(of: Void.self) { group in
      let kinds = [(300, "costly", keys, true), (100, "cheap", Array(keys.prefix(1)), true), (20, "good", keys, false)]
      for (count, name, keys, isSuspect) in kinds {
        for _ in 0..<count {
          group.addTask {
            _ = try? await queue.isSigned(token, with: keys, .RS256, isSuspect: isSuspect)
            order.add(name)
          }
        }
      }
      while queue.waitingCount < 420 { await Task.yield() }
      queue.queue.resume()
    }
    let last = ["good", "cheap", "costly"].map { name in order.names.lastIndex(of: name) ?? 0 }
    #expect(last == last.sorted() && last[0] < 250, "\(last)")
  }

  @Test("is busy for those of a kind of whom too many wait, and for no others")
  func busy() async throws {
    let verifier = try TokenVerifier(keys: [VerificationKey(contents: SigningKey.rsa.publicPEM)])
    let forged = SigningKey.otherRSA.token(good, .RS256)
    verifier.queue.queue.suspend()
    let refusals = await withTaskGroup(of: TokenError?.self) { group in
      for _ in 0..<SignatureQueue.maximumWaiting + 200 {
        group.addTask { await refusal(forged, verifier, isSuspect: true) }
      }
      // While no signature is checked, those alone come back that found no place.
      var refusals: [TokenError.Reason?: Int] = [:]
      for _ in 0..<200 { refusals[await group.next()??.reason, default: 0] += 1 }
      group.addTask { await refusal(SigningKey.rsa.token(good, .RS256), verifier) }
      verifier.queue.queue.resume()
      return await group.reduce(into: refusals) { $0[$1?.reason, default: 0] += 1 }
    }
    #expect(refusals == [nil: 1, .busy: 200, .badSignature: SignatureQueue.maximumWaiting])
  }

  @Test("does not remember a refused token")
  func noBadTokenCached() async {
    let expired = SigningKey.secret.token(#"{"exp":1}"#, .HS256)
    #expect(await refusal(expired, hmac) != nil)
    #expect(hmac.cached(expired, now: Date(timeIntervalSince1970: 0)) == nil)
    let forged = SigningKey.hmac(Self.secret.reversed()).token(good, .HS256)
    #expect(await refusal(forged, hmac) == .signature)
    #expect(hmac.cached(forged, now: now) == nil)
    #expect(await refusal(forged, hmac) == .signature)
  }

  @Test("serves many threads at once")
  func concurrency() async throws {
    let verifier = try verifier(SigningKey.p256.publicPEM, [.ES256])
    await withTaskGroup { group in
      for number in 0..<64 {
        group.addTask {
          let token = SigningKey.p256.token(#"{"exp":1800000600,"sub":"\#(number % 16)"}"#, .ES256)
          let forged = SigningKey.otherP256.token(#"{"exp":1800000600,"sub":"\#(number % 16)"}"#, .ES256)
          #expect(await refusal(forged, verifier) == .signature)
          for _ in 0..<4 { #expect((try? await verifier.verify(token, now: now))?.subject == "\(number % 16)") }
        }
      }
    }
  }

  @Test("refuses algorithms that do not fit the key, by name")
  func unfittingAlgorithm() {
    #expect(throws: KeyError.unfitting(.HS256, key: "an RSA public key of 2048 bits")) {
      try verifier(SigningKey.rsa.publicPEM, [.RS256, .HS256])
    }
    #expect(throws: KeyError.unfitting(.ES384, key: "an EC public key on P-256")) {
      try verifier(SigningKey.p256.publicPEM, [.ES384])
    }
    #expect(throws: KeyError.unfitting(.RS256, key: "a secret of 64 bytes")) { try verifier(Self.secret, [.RS256]) }
    #expect(throws: KeyError.noAlgorithm) { try verifier(Self.secret, []) }
  }

  @Test("never shows a token in an error")
  func errorsWithoutToken() async {
    let secretive = String(repeating: "S3cr3t", count: 10)
    let tokens = [
      secretive, secretive + "." + secretive + "." + secretive,
      SigningKey.secret.token(header: #"{"alg":"\#(secretive)"}"#, payload: good, algorithm: .HS256),
      SigningKey.secret.token(header: #"{"crit":["\#(secretive)"]}"#, payload: good, algorithm: .HS256),
      SigningKey.secret.token(header: #"{"alg":"HS256","typ":"\#(secretive)"}"#, payload: good, algorithm: .HS256),
      SigningKey.secret.token(#"{"exp":"\#(secretive)"}"#, .HS256), SigningKey.secret.token("{" + secretive, .HS256),
      SigningKey.secret.token(#"{"\#(secretive)":1,"\#(secretive)":1}"#, .HS256),
    ]
    for token in tokens {
      let error = await refusal(token, hmac)
      #expect(error != nil)
      #expect(error?.description.contains("S3cr3t") == false)
      #expect("\(String(reflecting: error))".contains("S3cr3t") == false)
    }
  }
}

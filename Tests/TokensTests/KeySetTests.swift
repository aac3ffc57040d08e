import Foundation
import Testing

@testable import Tokens

@Suite("KeySet")
struct KeySetTests {
  static let octets = base64URL(Array(0..<32))

  @Test("reads a key of each kind, and finds it by its name and algorithm")
  func kinds() throws {
    let text = keySet(
      SigningKey.rsa.webKey("r"), SigningKey.p256.webKey("e256"), SigningKey.p384.webKey("e384"),
      SigningKey.p521.webKey("e521"))
    let set = try KeySet(Array(text.utf8), allowsSecrets: false)
    #expect(set.faults == [])
    let expected: [(String, Algorithm, SigningKey)] = [
      ("r", .RS256, .rsa), ("r", .RS512, .rsa), ("e256", .ES256, .p256), ("e384", .ES384, .p384),
      ("e521", .ES512, .p521),
    ]
    for (id, algorithm, key) in expected {
      #expect(set.keys(named: id, for: algorithm).map(\.material) == [key.publicPEM])
    }
    #expect(set.keys(named: "r", for: .ES256) == [])
    #expect(set.keys(named: "r", for: .HS256) == [])
    #expect(set.keys(named: "x", for: .RS256) == [])
    #expect(set.keys(named: nil, for: .ES384).count == 1)
  }

  @Test("takes a key for what its use, key_ops and alg say, and no other kind of key")
  func purposes() throws {
    let cases: [(String, Set<Algorithm>)] = [
      (#","use":"sig""#, [.RS256, .RS384, .RS512]), (#","key_ops":["verify"]"#, [.RS256, .RS384, .RS512]),
      (#","alg":"RS384""#, [.RS384]), (#","use":"sig","alg":"RS256","x5c":["AAAA"],"x5u":"http://a""#, [.RS256]),
      (#","use":"enc""#, []), (#","use":"Sig""#, []), (#","use":7"#, []),
      (#","key_ops":["sign","encrypt"]"#, []), (#","key_ops":"verify""#, []), (#","alg":"RSA-OAEP""#, []),
      (#","alg":"none""#, []), (#","alg":"HS256""#, []), (#","alg":"ES256""#, []),
      (#","d":"AQAB""#, []),
    ]
    for (more, algorithms) in cases {
      let text = keySet(SigningKey.rsa.webKey("r", more), SigningKey.p256.webKey("e"))
      let set = try KeySet(Array(text.utf8), allowsSecrets: true)
      let found = Algorithm.available.filter { !set.keys(named: "r", for: $0).isEmpty && !$0.rawValue.hasPrefix("PS") }
      #expect(Set(found) == algorithms, "\(more)")
    }
  }

  @Test("says of each key that must not be used why, and uses the others")
  func faults() throws {
    let ec = SigningKey.p256.webKey("e")
    let x = try #require(ec.firstMatch(of: #/"x":"([^"]*)"/#)?.output.1)
    let y = try #require(ec.firstMatch(of: #/"y":"([^"]*)"/#)?.output.1)
    let n = try #require(SigningKey.rsa.webKey(nil).firstMatch(of: #/"n":"([^"]*)"/#)?.output.1)
    let cases: [(String, String)] = [
      (SigningKey.generate("RSA", bits: 1024).webKey("r"), "this RSA key has 1024 bits"),
      (SigningKey.rsa.webKey("r", #","d":"AQAB""#), "private key"),
      (#"{"kty":"oct","k":"\#(Self.octets)"}"#, "a secret (kty: oct)"),
      (#"{"kty":"RSA","n":"\#(n)"}"#, "'e' is missing"), (#"{"kty":"RSA","n":"\#(n)=","e":"AQAB"}"#, "'n'"),
      (#"{"kty":"RSA","n":"","e":"AQAB"}"#, "'n'"), (#"{"kty":"RSA","n":"\#(n)","e":"AQ"}"#, "no readable"),
      (#"{"kty":"RSA","n":"\#(n)","e":"AAAA"}"#, "no readable"),
      (#"{"kty":"RSA","n":"\#(n)","e":"Ag"}"#, "no readable"),
      (#"{"kty":"EC","crv":"P-256","x":"\#(x)","y":"\#(x)"}"#, "no readable"),
      (#"{"kty":"EC","crv":"P-256","x":"\#(x)AAAA","y":"\#(y)"}"#, "'x'"),
      (#"{"kty":"EC","crv":"P-384","x":"\#(x)","y":"\#(y)"}"#, "'x'"),
      (#"{"kty":"EC","crv":"P-256","x":"\#(x)","y":7}"#, "'y'"), (#"{"kid":7,"kty":"RSA"}"#, "'kid'"), ("7", "object"),
      ("{}", "'kty'"), (#"{"kty":7}"#, "'kty'"),
    ]
    for (key, fault) in cases {
      let set = try KeySet(Array(keySet(key, SigningKey.otherRSA.webKey("good")).utf8), allowsSecrets: false)
      #expect(set.keys.map(\.id) == ["good"], "\(key)")
      #expect(set.faults.count == 1 && set.faults[0].contains(fault), "\(set.faults)")
    }
    // Of no use, but no fault either.
    for key in [#"{"kty":"AKP"}"#, #"{"kty":"EC","crv":"secp256k1"}"#, #"{"kty":"OKP","crv":"X25519","x":"AA"}"#] {
      let set = try KeySet(Array(keySet(key, SigningKey.otherRSA.webKey("good")).utf8), allowsSecrets: false)
      #expect(set.faults == [])
    }
  }

  @Test("takes secrets only where nobody else can read them, and long ones only")
  func secrets() throws {
    let long = Array(keySet(#"{"kty":"oct","kid":"s","k":"\#(Self.octets)"}"#).utf8)
    #expect(try KeySet(long, allowsSecrets: true).keys(named: "s", for: .HS256).count == 1)
    #expect(throws: KeyError.self) { try KeySet(long, allowsSecrets: false) }
    let short = Array(keySet(#"{"kty":"oct","kid":"s","k":"\#(base64URL(Array(0..<31)))"}"#).utf8)
    #expect(throws: KeyError.self) { try KeySet(short, allowsSecrets: true) }
  }

  @Test("uses neither of two keys of one kind and name; the same key twice, and two kinds, are well")
  func names() throws {
    let two = keySet(SigningKey.rsa.webKey("a"), SigningKey.otherRSA.webKey("a"), SigningKey.p256.webKey("b"))
    let ambiguous = try KeySet(Array(two.utf8), allowsSecrets: false)
    #expect(ambiguous.keys.map(\.id) == ["b"])
    #expect(ambiguous.faults == ["the keys with the kid 'a' are not used: they differ and have one kid"])
    let twice = keySet(SigningKey.rsa.webKey("a"), SigningKey.rsa.webKey("a"), SigningKey.p256.webKey("a"))
    let clear = try KeySet(Array(twice.utf8), allowsSecrets: false)
    #expect(clear.faults == [])
    #expect(clear.keys(named: "a", for: .RS256).count == 1)
    #expect(clear.keys(named: "a", for: .ES256).count == 1)
  }

  @Test("tries at most four keys for a token that names none")
  func trials() throws {
    let secrets = (0..<5).map {
      #"{"kty":"oct","kid":"\#($0)","k":"\#(base64URL((0..<32).map { _ in UInt8.random(in: 0...255) }))"}"#
    }
    let four = try KeySet(Array(#"{"keys":[\#(secrets.prefix(4).joined(separator: ","))]}"#.utf8), allowsSecrets: true)
    #expect(four.keys(named: nil, for: .HS256).count == 4)
    let five = try KeySet(Array(#"{"keys":[\#(secrets.joined(separator: ","))]}"#.utf8), allowsSecrets: true)
    #expect(five.keys(named: nil, for: .HS256) == [])
    #expect(five.keys(named: "4", for: .HS256).count == 1)
  }

  @Test("refuses what is no set, or too large a one")
  func refusals() {
    let key = SigningKey.p256.webKey("a")
    let broken: [String] = [
      "", "{", "[]", "null", "{}", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[{}]}"#,
      #"{"keys":[],"keys":[\#(key)]}"#,
      "<html>404</html>", keySet(key) + "x", keySet(key.replacing("}", with: #","kid":"b"}"#)),
      #"{"keys":[\#(repeatElement(key, count: 101).joined(separator: ","))]}"#,
      #"{"x":"\#(String(repeating: "x", count: 1 << 20))","keys":[\#(key)]}"#,
    ]
    for text in broken {
      #expect(throws: KeyError.self, "\(text.prefix(80))") { try KeySet(Array(text.utf8), allowsSecrets: true) }
    }
  }
}

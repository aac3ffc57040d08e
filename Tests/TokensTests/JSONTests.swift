import Foundation
import Testing

@testable import JSON
@testable import Tokens

@Suite("Strict JSON")
struct JSONTests {
  static let accepted: [(String, [String: JSONValue])] = [
    ("{}", [:]),
    (" \t\r\n{ } \n", [:]),
    (#"{"a":true,"b":false,"c":null}"#, ["a": .bool(true), "b": .bool(false), "c": .null]),
    (
      #"{ "a" : -0 , "b":0.5,"c":1E+2,"d":-12.5e-1,"e":9007199254740993,"f":1e-400}"#,
      [
        "a": .number(0), "b": .number(0.5), "c": .number(100), "d": .number(-1.25), "e": .number(9_007_199_254_740_992),
        "f": .number(0),
      ]
    ),
    (
      #"{"a":[],"b":[1,[ 2 ]],"c":{"a":{}}}"#,
      ["a": .array([]), "b": .array([.number(1), .array([.number(2)])]), "c": .object(["a": .object([:])])]
    ),
    (#"{"":"","a b":"é🇨🇭"}"#, ["": .string(""), "a b": .string("é🇨🇭")]),
    (#"{"\u0061":"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00"}"#, ["a": .string("\"\\/\u{8}\u{c}\n\r\té😀")]),
  ]

  @Test("reads an object", arguments: accepted)
  func reading(text: String, expected: [String: JSONValue]) throws {
    #expect(try JSONParser.object(Array(text.utf8)) == expected)
  }

  @Test(
    "refuses what is no JSON object, or is read in several ways",
    arguments: [
      "", " ", "1", "[]", "\"a\"", "null", "{", "}", "{}}", "{} {}", "{}\0", "\u{FEFF}{}", "{,}", #"{"a"}"#, #"{"a":}"#,
      #"{"a":1,}"#, #"{"a":1 "b":2}"#, #"{"a" 1}"#, #"{a:1}"#, #"{'a':1}"#, #"{"a":[}"#, #"{"a":[1,]}"#,
      #"{"a":[1 2]}"#,
      #"{"a":1]"#, #"{"a":truE}"#, #"{"a":tru}"#, #"{"a":truee}"#, #"{"a":01}"#, #"{"a":+1}"#, #"{"a":1.}"#,
      #"{"a":.5}"#,
      #"{"a":-}"#, #"{"a":1e}"#, #"{"a":1e+}"#, #"{"a":0x10}"#, #"{"a":1_0}"#, #"{"a":NaN}"#, #"{"a":Infinity}"#,
      #"{"a":1e400}"#, #"{"a":9223372036854775808}"#, #"{"a":-9223372036854775809}"#, #"{"a":1}x"#, #"{"a":1}/**/"#,
      #"{"a":"}"#, #"{"a":"\"}"#, #"{"a":"\x"}"#, #"{"a":"\u12"}"#, #"{"a":"\u12G4"}"#, #"{"a":"\u000"#,
      #"{"a":"\u0000"}"#, #"{"\u0000":1}"#, #"{"a":"\uD83D"}"#, #"{"a":"\uD83Dx"}"#, #"{"a":"\uD83D\n"}"#,
      #"{"a":"\uDE00"}"#, #"{"a":"\uD83D\uD83D"}"#, "{\"a\":\"\n\"}", "{\"a\":\"\0\"}", "{\"a\":1\u{b}}",
      #"{"a":1,"a":1}"#, #"{"a":1,"\u0061":1}"#, #"{"x":{"a":1,"a":1}}"#, #"{"x":[{"a":1,"b":2,"a":1}]}"#,
    ])
  func refusing(text: String) {
    #expect(throws: JSONError.self) { try JSONParser.object(Array(text.utf8)) }
  }

  @Test(
    "refuses what is no UTF-8",
    arguments: [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]])
  func notUTF8(bytes: [UInt8]) {
    #expect(throws: JSONError("not UTF-8")) {
      try JSONParser.object(Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8))
    }
  }

  @Test("reads 32 levels and no more, without using up the stack")
  func depth() throws {
    func nested(_ levels: Int, _ open: String, _ close: String) -> [UInt8] {
      Array(
        ("{\"a\":" + String(repeating: open, count: levels - 1) + "1" + String(repeating: close, count: levels - 1)
          + "}").utf8)
    }
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
      _ = try JSONParser.object(nested(32, open, close))
      #expect(throws: JSONError("nested too deeply")) { try JSONParser.object(nested(33, open, close)) }
      #expect(throws: JSONError("nested too deeply")) { try JSONParser.object(nested(100_000, open, close)) }
    }
  }

  /// A token must not mean one thing to us and another, or nothing, to the library that checks its signature.
  @Test("accepts only what Foundation and libjwt accept too")
  func mutations() throws {
    let signer = SigningKey.secret
    let key = try VerificationKey(contents: TokenVerifierTests.secret)
    let seed = Array(#"{"exp":1800000600,"a":[1,-2.5e1,"\u00e9\ud83d\ude00\n",true,{"b":null}],"é":""}"#.utf8)
    let alphabet = Array(#"{}[]:,"\/0123456789abcdefnrtuE+-. "#.utf8) + [0, 0x0a, 0x7f, 0xc3, 0xa9]
    var generator = SplitMix(state: 1)
    var accepted = 0
    for _ in 0..<20_000 {
      var text = seed
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let position = Int.random(in: 0..<text.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: text[position] = alphabet.randomElement(using: &generator) ?? 0
        case 1: text.remove(at: position)
        default: text.insert(alphabet.randomElement(using: &generator) ?? 0, at: position)
        }
      }
      guard (try? JSONParser.object(text)) != nil else { continue }
      accepted += 1
      let shown = String(decoding: text, as: UTF8.self)
      #expect((try? JSONSerialization.jsonObject(with: Data(text))) != nil, "\(shown)")
      #expect(Signature.isGood(signer.token(shown, .HS256), key: key, algorithm: .HS256), "\(shown)")
    }
    #expect(accepted > 1000)
  }
}

/// A generator whose numbers are the same in each run.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

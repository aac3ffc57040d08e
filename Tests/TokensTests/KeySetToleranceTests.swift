import Foundation
import Testing

@testable import Tokens

private let rsa: Set<Algorithm> = [.RS256, .RS384, .RS512]

@Suite("Key sets as programs really write them")
struct KeySetToleranceTests {
  private func set(_ keys: String...) throws -> KeySet { try set(keys) }
  private func set(_ keys: [String]) throws -> KeySet {
    try KeySet(Array(#"{"keys":[\#(keys.joined(separator: ","))]}"#.utf8), allowsSecrets: true)
  }

  /// A member in place of what the key has, or beside it.
  private func key(_ more: String, id: String? = "r") -> String { SigningKey.rsa.webKey(id, more) }

  @Test(
    "A member that is null, or an empty list, is absent; an unknown one says nothing",
    arguments: [
      #","alg":null"#, #","use":null"#, #","key_ops":null"#, #","key_ops":[]"#, #","d":null"#, #","p":null,"q":null"#,
      #","x5c":null"#, #","x5c":[]"#, #","x5t":null,"x5u":null"#, #","oth":null"#, #","oth":[]"#, #","k":null"#,
      #","crv":null,"x":null,"y":null"#, #","KeyId":"r","HasPrivateKey":false,"KeySize":2048"#, #","nested":{"a":[1]}"#,
      #","alg":null,"use":null,"key_ops":null,"x5c":null,"x5t":null,"x5u":null,"x5t#S256":null"#,
    ])
  func absent(more: String) throws {
    let set = try set(key(more))
    #expect(set.faults == [])
    for algorithm in rsa { #expect(set.keys(named: "r", for: algorithm).count == 1) }
  }

  @Test("A kid that is null is absent: the key serves tokens that name none, and those that name an unknown one")
  func namelessKey() throws {
    let set = try set(key(#","kid":null"#, id: nil))
    #expect(set.faults == [] && set.keys.map(\.id) == [nil])
    #expect(set.keys(named: nil, for: .RS256).count == 1)
    #expect(set.keys(named: "other", for: .RS256).count == 1)
  }

  @Test(
    "The same key twice is one key for all that either entry is for",
    arguments: [
      ("", "", rsa), (#","alg":"RS256""#, "", rsa), ("", #","alg":"RS256""#, rsa),
      (#","alg":"RS256""#, #","alg":"RS512""#, [.RS256, .RS512]), (#","use":"sig""#, #","x5c":["AAAA"]"#, rsa),
      (#","use":"enc""#, #","use":"sig""#, rsa), (#","alg":"RSA-OAEP""#, #","alg":"RS256""#, [.RS256]),
    ] as [(String, String, Set<Algorithm>)])
  func twice(one: String, other: String, algorithms: Set<Algorithm>) throws {
    let set = try set(key(one), key(other))
    #expect(set.faults == [])
    for algorithm in rsa {
      #expect(set.keys(named: "r", for: algorithm).count == (algorithms.contains(algorithm) ? 1 : 0))
      #expect(set.keys(named: nil, for: algorithm).count == (algorithms.contains(algorithm) ? 1 : 0))
    }
  }

  @Test("The same key under many names is one key for tokens that name none")
  func manyNames() throws {
    let ids = (0..<9).map { "k\($0)" }
    let set = try set(ids.map { key("", id: $0) } + [key("", id: nil)])
    #expect(set.faults == [])
    for id in ids { #expect(set.keys(named: id, for: .RS256).count == 1) }
    #expect(set.keys(named: nil, for: .RS256).count == 1)
  }

  @Test("Two keys that differ are still not told apart by one name")
  func different() throws {
    let set = try set(key(""), SigningKey.otherRSA.webKey("r", #","alg":"RS512""#), SigningKey.p256.webKey("e"))
    #expect(set.keys.map(\.id) == ["e"])
    #expect(set.faults.count == 1)
  }

  @Test("A set in a file may begin with a byte order mark")
  func byteOrderMark() throws {
    let text = "\u{FEFF}" + #"{"keys":[\#(key(""))]}"#
    #expect(try KeySet(Array(text.utf8), allowsSecrets: false).keys.count == 1)
  }

  @Test("One key in many files is one key")
  func files() throws {
    let keys = try (0..<6).map { _ in try VerificationKey(contents: SigningKey.rsa.publicPEM) }
    _ = try TokenVerifier(keys: keys)
  }
}

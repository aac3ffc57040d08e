import Foundation
import Testing

@testable import Tokens

@Suite("TokenCache")
struct TokenCacheTests {
  private func claims(_ subject: String) throws -> Claims {
    try Claims(["exp": .number(1), "sub": .string(subject)])
  }

  private func digest(_ token: String) throws -> TokenDigest {
    try #require(TokenDigest(token))
  }

  @Test("never holds more than its capacity, and keeps what is in use")
  func bounded() throws {
    let cache = TokenCache(capacity: 100)
    let used = try digest("used")
    cache.insert(try claims("used"), for: used, edition: 0)
    for number in 0..<1000 {
      cache.insert(try claims("\(number)"), for: try digest("\(number)"), edition: 0)
      #expect(cache.count <= 100)
      #expect(cache.claims(of: used, edition: 0)?.subject == "used")
    }
    #expect(cache.claims(of: try digest("999"), edition: 0)?.subject == "999")
    #expect(cache.claims(of: try digest("0"), edition: 0) == nil)
  }

  @Test("works at the smallest capacity", arguments: [0, 1, 2])
  func tiny(capacity: Int) throws {
    let cache = TokenCache(capacity: capacity)
    for name in ["a", "b", "c"] {
      cache.insert(try claims(name), for: try digest(name), edition: 0)
      #expect(cache.claims(of: try digest(name), edition: 0)?.subject == name)
      #expect(cache.count <= 2)
    }
  }

  @Test("forgets what was verified against earlier keys, and takes no more of it")
  func editions() throws {
    let cache = TokenCache(capacity: 100)
    let (early, late) = (try digest("early"), try digest("late"))
    cache.insert(try claims("early"), for: early, edition: 1)
    #expect(cache.claims(of: early, edition: 1)?.subject == "early")
    #expect(cache.claims(of: early, edition: 2) == nil)
    #expect(cache.count == 0)
    cache.insert(try claims("late"), for: late, edition: 1)
    #expect(cache.claims(of: late, edition: 2) == nil)
    #expect(cache.claims(of: late, edition: 1) == nil)
  }

  @Test("tells tokens apart by their digest")
  func digests() throws {
    #expect(try digest("a") == digest("a"))
    #expect(try digest("a") != digest("b"))
    #expect(try digest("") != digest("\0"))
  }
}

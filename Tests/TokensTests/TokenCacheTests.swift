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
    cache.insert(try claims("used"), for: used)
    for number in 0..<1000 {
      cache.insert(try claims("\(number)"), for: try digest("\(number)"))
      #expect(cache.count <= 100)
      #expect(cache[used]?.subject == "used")
    }
    #expect(cache[try digest("999")]?.subject == "999")
    #expect(cache[try digest("0")] == nil)
  }

  @Test("works at the smallest capacity", arguments: [0, 1, 2])
  func tiny(capacity: Int) throws {
    let cache = TokenCache(capacity: capacity)
    for name in ["a", "b", "c"] {
      cache.insert(try claims(name), for: try digest(name))
      #expect(cache[try digest(name)]?.subject == name)
      #expect(cache.count <= 2)
    }
  }

  @Test("tells tokens apart by their digest")
  func digests() throws {
    #expect(try digest("a") == digest("a"))
    #expect(try digest("a") != digest("b"))
    #expect(try digest("") != digest("\0"))
  }
}

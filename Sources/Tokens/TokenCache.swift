import CLibCrypto
import Synchronization

/// The SHA-256 digest of a token.
struct TokenDigest: Hashable, Sendable {
  private var words = SIMD4<UInt64>()

  /// Fails only if libcrypto does. Then nothing may be remembered, for all tokens would have one digest.
  init?(_ token: String) {
    var token = token
    let isDone = token.withUTF8 { text in
      withUnsafeMutableBytes(of: &words) {
        EVP_Digest(text.baseAddress, text.count, $0.baseAddress, nil, EVP_sha256(), nil) == 1
      }
    }
    guard isDone else { return nil }
  }
}

/// Claims of verified tokens, at most `capacity`; those used last stay longest. What was verified against an earlier edition
/// of the keys is forgotten as soon as a later one is asked for, and never comes back.
final class TokenCache: Sendable {
  /// Two generations: when the young one has half the capacity it becomes the old one, and the old one is dropped. So each step is
  /// cheap, and a token in use moves on with the young.
  private struct Generations {
    var edition = 0
    var young: [TokenDigest: Claims] = [:]
    var old: [TokenDigest: Claims] = [:]

    /// Whether this is for the keys of that edition, after making it so if they are later ones.
    mutating func turn(to edition: Int) -> Bool {
      if edition > self.edition { self = Generations(edition: edition) }
      return edition == self.edition
    }
  }

  private let generations = Mutex(Generations())
  private let half: Int

  init(capacity: Int) {
    half = max(1, capacity / 2)
  }

  /// The claims of a token verified against that edition of the keys.
  func claims(of digest: TokenDigest, edition: Int) -> Claims? {
    generations.withLock { generations in
      guard generations.turn(to: edition) else { return nil }
      if let claims = generations.young[digest] { return claims }
      guard let claims = generations.old[digest] else { return nil }
      insert(claims, for: digest, into: &generations)
      return claims
    }
  }

  func insert(_ claims: Claims, for digest: TokenDigest, edition: Int) {
    generations.withLock { generations in
      guard generations.turn(to: edition) else { return }
      insert(claims, for: digest, into: &generations)
    }
  }

  /// How many tokens are remembered.
  var count: Int {
    generations.withLock { generations in
      generations.young.count + generations.old.count { generations.young[$0.key] == nil }
    }
  }

  private func insert(_ claims: Claims, for digest: TokenDigest, into generations: inout Generations) {
    if generations.young.count >= half {
      generations.old = generations.young
      generations.young.removeAll(keepingCapacity: true)
    }
    generations.young[digest] = claims
  }
}

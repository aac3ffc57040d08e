/// What a caller marks a submission with, so that it can be sent again (draft-ietf-httpapi-idempotency-key-header).
public struct IdempotencyKey: Sendable, Equatable {
  /// Whose key it is: each caller has its own.
  public let caller: String
  public let key: String

  /// Nil unless the key is 1 to 255 visible ASCII characters.
  public init?(caller: String, key: String) {
    guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
    self.caller = caller
    self.key = key
  }
}

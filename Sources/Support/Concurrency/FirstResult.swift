/// Does several things at once, until one of them has a result or fails. The others are cancelled then, and waited for.
/// Nil if all have ended without a result.
package func firstResult<T: Sendable>(of activities: [@Sendable () async throws -> T?]) async throws -> T? {
  try await withThrowingTaskGroup(of: T?.self) { group in
    for activity in activities { group.addTask { try await activity() } }
    while let result = try await group.next() {
      if let result {
        group.cancelAll()
        return result
      }
    }
    return nil
  }
}

import Synchronization

/// Bytes up to a limit; what comes after is counted as cut and forgotten.
package struct LimitedBytes: Sendable {
  package private(set) var bytes: [UInt8] = []
  package private(set) var truncated = false
  /// How many bytes were forgotten.
  package private(set) var dropped = 0
  let limit: Int

  package init(limit: Int) { self.limit = max(0, limit) }

  package mutating func append(_ chunk: UnsafeRawBufferPointer) {
    let room = limit - bytes.count
    if chunk.count > room {
      truncated = true
      dropped += chunk.count - room
    }
    bytes.append(contentsOf: chunk.prefix(room))
  }
}

/// What a stream has handed on, kept up to a limit.
package final class KeptBytes: Sendable {
  private let kept: Mutex<LimitedBytes>

  package init(limit: Int) { kept = Mutex(LimitedBytes(limit: limit)) }

  package func append(_ bytes: [UInt8]) { kept.withLock { kept in bytes.withUnsafeBytes { kept.append($0) } } }

  package var value: LimitedBytes { kept.withLock { $0 } }
}

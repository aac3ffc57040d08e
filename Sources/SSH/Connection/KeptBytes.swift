import Synchronization

/// What a stream has handed on, kept up to a limit.
package final class KeptBytes: Sendable {
  private let kept: Mutex<LimitedBytes>

  package init(limit: Int) { kept = Mutex(LimitedBytes(limit: limit)) }

  package func append(_ bytes: [UInt8]) { kept.withLock { kept in bytes.withUnsafeBytes { kept.append($0) } } }

  package var value: LimitedBytes { kept.withLock { $0 } }
}

import Synchronization

/// Bytes that are there, for who asks for them in parts: all at once, then the end.
package final class Chunks: Sendable {
  private let rest: Mutex<[UInt8]?>

  package init(_ bytes: [UInt8]) { rest = Mutex(bytes) }

  package func next() -> [UInt8]? { rest.withLock { $0.take() } }
}

/// What was handed on.
public actor Answers {
  public private(set) var bytes: [UInt8] = []
  public var text: String { String(decoding: bytes, as: UTF8.self) }
  public init() {}

  public func add(_ more: [UInt8]) { bytes += more }
}

/// A stream for a closure that is asked for the next element, by one task at a time.
public final class Pull: @unchecked Sendable {
  private var iterator: AsyncStream<[UInt8]>.AsyncIterator
  public init(_ stream: AsyncStream<[UInt8]>) { iterator = stream.makeAsyncIterator() }
  public func next() async -> [UInt8]? { await iterator.next() }
}

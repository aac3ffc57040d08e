import Logging
import Synchronization

/// Keeps what is logged.
public final class LogRecorder: LogHandler, @unchecked Sendable {
  public struct Line {
    public let level: Logger.Level
    public let message: String
    public let metadata: [String: String]
    /// All of it, as a log would have it.
    public var text: String { "\(level) \(message) \(metadata)" }
  }

  private let kept = Mutex<[Line]>([])

  public init() {}

  public var lines: [Line] { kept.withLock { $0 } }
  public var logger: Logger { Logger(label: "test") { _ in self } }

  public func lines(_ message: String) -> [Line] { lines.filter { $0.message == message } }

  public var metadata: Logger.Metadata = [:]
  public var logLevel = Logger.Level.trace
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { nil }
    set {}
  }

  public func log(event: LogEvent) {
    let metadata = (event.metadata ?? [:]).mapValues { "\($0)" }
    kept.withLock { $0.append(Line(level: event.level, message: "\(event.message)", metadata: metadata)) }
  }
}

extension Logger {
  /// A log that nobody reads.
  public static var silent: Logger { Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }) }
}

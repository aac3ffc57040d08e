import Logging
import Synchronization

/// Keeps what is logged.
final class LogRecorder: LogHandler, @unchecked Sendable {
  struct Line {
    let level: Logger.Level
    let message: String
    let metadata: [String: String]
    /// All of it, as a log would have it.
    var text: String { "\(level) \(message) \(metadata)" }
  }

  private let kept = Mutex<[Line]>([])
  var lines: [Line] { kept.withLock { $0 } }
  var logger: Logger { Logger(label: "test") { _ in self } }

  func lines(_ message: String) -> [Line] { lines.filter { $0.message == message } }

  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.trace
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { nil }
    set {}
  }

  func log(event: LogEvent) {
    let metadata = (event.metadata ?? [:]).mapValues { "\($0)" }
    kept.withLock { $0.append(Line(level: event.level, message: "\(event.message)", metadata: metadata)) }
  }
}

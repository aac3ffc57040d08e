import Dispatch
import Foundation
import JSON
import Logging
import Support
import Synchronization

/// Writes log events to standard error, one line each.
struct LogLines: LogHandler {
  enum Form: String, CaseIterable, Sendable {
    /// `2026-01-31T12:00:00.000Z info message key=value`, for people.
    case plain
    /// One JSON object a line, for machines: `time`, `level` and `message` beside what else is known.
    case json
  }

  let form: Form
  let writer: LineWriter
  var logLevel: Logger.Level = .info
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  /// Makes all loggers of the program write to standard error; call once.
  static func bootstrap(form: Form, metadataProvider: Logger.MetadataProvider? = nil) -> LineWriter {
    let writer = LineWriter(descriptor: STDERR_FILENO) { dropped in
      let message = "log lines were dropped: nobody read standard error in time"
      return line(form, .error, message, ["lines": "\(dropped)"], at: Date())
    }
    LoggingSystem.bootstrap(
      { _, provider in LogLines(form: form, writer: writer, metadataProvider: provider) },
      metadataProvider: metadataProvider)
    return writer
  }

  init(form: Form, writer: LineWriter, metadataProvider: Logger.MetadataProvider? = nil) {
    self.form = form
    self.writer = writer
    self.metadataProvider = metadataProvider
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
    if let own = event.metadata { all.merge(own) { $1 } }
    if let error = event.error { all["error"] = "\(error)" }
    writer.write(Self.line(form, event.level, event.message.description, all, at: Date()))
  }

  static func line(
    _ form: Form, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, at time: Date
  ) -> [UInt8] {
    // A field without a value says nothing.
    let metadata = metadata.filter { $0.value != .string("") }
    return switch form {
    case .plain: plain(level, message, metadata, at: time)
    case .json: json(level, message, metadata, at: time)
    }
  }

  private static func json(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, at time: Date)
    -> [UInt8]
  {
    var members = metadata.mapValues(JSONText.Value.init)
    members["time"] = .string(timestamp(time))
    members["level"] = .string(level.rawValue)
    members["message"] = .string(message)
    return JSONText.encode(.object(members))
  }

  private static func plain(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, at time: Date)
    -> [UInt8]
  {
    var line = "\(timestamp(time)) \(level.rawValue) \(visible(message))"
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      let text = visible(value.description)
      // By scalars: a quote with an accent upon it is one character, and no quote.
      let isWord = !text.isEmpty && !text.unicodeScalars.contains { $0 == " " || $0 == "\"" || $0 == "=" }
      line += " \(key)=" + (isWord ? text : quoted(text))
    }
    return Array((line + "\n").utf8)
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.unicodeScalars.map { $0 == "\"" ? "\\\"" : String($0) }.joined() + "\""
  }

  /// A text on one line: parts may come from a client, and must not look like a line of their own nor control a terminal.
  private static func visible(_ text: String) -> String {
    if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) && $0 != UInt8(ascii: "\\") }) { return text }
    var shown = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": shown += "\\n"
      case "\\": shown += "\\\\"
      case _ where !scalar.isVisible: shown += "\\u{\(String(scalar.value, radix: 16))}"
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }

  /// UTC with milliseconds, as RFC 3339 has it.
  private static func timestamp(_ time: Date) -> String {
    let milliseconds = Int((time.timeIntervalSince1970 * 1000).rounded(.down))
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func padded(_ number: Int, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    func two(_ number: Int32) -> String { padded(Int(number), 2) }
    return "\(padded(Int(parts.tm_year) + 1900, 4))-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
      + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(padded(milliseconds % 1000, 3))Z"
  }
}

extension JSONText.Value {
  fileprivate init(_ value: Logger.MetadataValue) {
    switch value {
    case .string(let text): self = .string(text)
    // Numbers stay numbers, so that machines can reckon with them.
    case .stringConvertible(let number as any BinaryInteger): self = Int(exactly: number).map { .int($0) } ?? .null
    case .stringConvertible(let number as Double): self = .double(number)
    case .stringConvertible(let other): self = .string(other.description)
    case .array(let values): self = .array(values.map { .init($0) })
    case .dictionary(let members): self = .object(members.mapValues { .init($0) })
    }
  }
}

/// Writes lines to a file descriptor from a queue of its own, so that nobody waits for their reader. Lines that are not read
/// in time are dropped, and a line reports how many.
final class LineWriter: Sendable {
  private struct Pending {
    var bytes: [UInt8] = []
    var dropped = 0
    var isWriting = false
  }

  private let descriptor: Int32
  private let capacity: Int
  private let notice: @Sendable (_ dropped: Int) -> [UInt8]
  private let queue = DispatchQueue(label: "weir.log")
  private let pending = Mutex(Pending())

  /// - Parameters:
  ///   - capacity: bytes that may wait to be written.
  ///   - notice: the line that reports how many were dropped.
  init(descriptor: Int32, capacity: Int = 4 << 20, notice: @escaping @Sendable (_ dropped: Int) -> [UInt8]) {
    self.descriptor = descriptor
    self.capacity = capacity
    self.notice = notice
  }

  func write(_ line: [UInt8]) {
    let begins = pending.withLock { pending in
      guard pending.bytes.count + line.count <= capacity else {
        pending.dropped += 1
        return false
      }
      pending.bytes += line
      defer { pending.isWriting = true }
      return !pending.isWriting
    }
    if begins { queue.async { self.drain() } }
  }

  /// Waits until all lines are written, or nobody reads them for some seconds.
  func flush(within seconds: Int = 2) {
    let done = DispatchSemaphore(value: 0)
    queue.async { done.signal() }
    _ = done.wait(timeout: .now() + .seconds(seconds))
  }

  private func drain() {
    while let bytes = next() {
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 {
          rest = rest.dropFirst(count)
        } else if errno == EAGAIN {
          var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          poll(&ready, 1, 1000)
        } else if errno != EINTR {
          // Nobody will ever read them.
          break
        }
      }
    }
  }

  private func next() -> [UInt8]? {
    pending.withLock { pending in
      if pending.bytes.isEmpty, pending.dropped == 0 {
        pending.isWriting = false
        return nil
      }
      defer { (pending.bytes, pending.dropped) = ([], 0) }
      return pending.dropped > 0 ? pending.bytes + notice(pending.dropped) : pending.bytes
    }
  }
}

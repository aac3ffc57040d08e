import Logging

/// Whether a server can be reached, and how long to wait before it is tried again.
final class ServerContact: Sendable {
  private let shell: ServerShell
  private let status: Shared<ServerStatus>
  private let logger: Logger
  /// In a row.
  private let failures = Shared(0)

  init(_ shell: ServerShell, status: Shared<ServerStatus>, logger: Logger) {
    self.shell = shell
    self.status = status
    self.logger = logger
  }

  /// Notes that the server did not answer, or not as it must.
  /// - Parameter words: why.
  func lost(_ words: String) {
    failures.change { $0 += 1 }
    let prefix = shell.name + ": "
    let reason = words.hasPrefix(prefix) ? String(words.dropFirst(prefix.count)) : words
    let isNews = status.change { status in
      defer {
        status.failure = reason
        status.facts = nil
      }
      return status.failure != reason
    }
    guard isNews else { return }
    // A failure of SSH itself is in the log already.
    let isLogged = shell.runner.statusLines.contains { reason.contains($0) }
    logger.log(level: isLogged ? .debug : .warning, "the server cannot be used: \(reason)")
  }

  /// Notes that the server has answered.
  func answered() {
    let before = failures.change { failures in
      defer { failures = 0 }
      return failures
    }
    if before > 0 { logger.notice("the server answers again") }
  }

  /// How long to wait before it is tried again: longer with each failure, and at most 30 s.
  var pause: Duration {
    min(.seconds(30), .seconds(1) * (1 << min(failures.value, 5))) * Double.random(in: 0.75...1)
  }
}

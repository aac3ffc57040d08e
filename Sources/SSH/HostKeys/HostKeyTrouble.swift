import Foundation
import Support

/// A host whose key was refused, for all accounts: connections to it are tried at a slow pace only, until the
/// key is the known one again. A person must act, and until then each attempt looks like an attack to somebody.
struct HostKeyTrouble {
  private(set) var error: SSHError
  let since = Date()
  private(set) var attempts = 1
  /// Until then nothing is tried, except if the known hosts file changes.
  private(set) var retryAt: ContinuousClock.Instant
  private let pause: Duration
  private let path: String
  private var judgedBy: FileStamp

  /// - Parameters:
  ///   - path: the known hosts file.
  ///   - judgedBy: its stamp before the key was compared with it.
  init(_ error: SSHError, pause: Duration, path: String, judgedBy: FileStamp) {
    self.error = error
    self.pause = pause
    self.path = path
    self.judgedBy = judgedBy
    retryAt = Self.end(of: pause)
  }

  /// Whether a connection may be tried.
  var isOver: Bool { retryAt <= .now || judgedBy != FileStamp(path: path) }

  /// Somebody tries now, and the others wait for how it ends.
  mutating func beginAttempt() {
    retryAt = Self.end(of: pause)
    judgedBy = FileStamp(path: path)
  }

  /// Whether this is news: another key than last time.
  mutating func goOn(_ error: SSHError, judgedBy: FileStamp) -> Bool {
    defer { self.error = error }
    attempts += 1
    retryAt = Self.end(of: pause)
    self.judgedBy = judgedBy
    return error.description != self.error.description
  }

  private static func end(of pause: Duration) -> ContinuousClock.Instant { .after(pause * Double.random(in: 0.5...1)) }
}

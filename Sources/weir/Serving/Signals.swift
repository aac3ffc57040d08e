import Dispatch
import Glibc
import Synchronization

/// SIGTERM and SIGINT, waited for: a second one ends the program at once. And SIGHUP, which asks for files to be read
/// again.
final class Signals: Sendable {
  private static let ends = [SIGTERM, SIGINT]

  /// Keeps the signals pending until somebody waits for them. A Dispatch source reads them from a signalfd(2), which it
  /// sets up some time after it was activated: a signal that is only ignored until then would be lost.
  static func block() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in ends + [SIGHUP] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  private final class Flag: Sendable {
    private let value = Mutex(false)
    var isSet: Bool { value.withLock { $0 } }
    /// Sets it, and returns what it was.
    func set() -> Bool {
      value.withLock { value in
        defer { value = true }
        return value
      }
    }
  }

  private let stream: AsyncStream<Void>
  private let seen: Flag
  private let onHangUp = Mutex<(@Sendable () -> Void)?>(nil)
  /// Kept so that they go on; nobody touches them.
  private nonisolated(unsafe) var sources: [any DispatchSourceSignal] = []

  init() {
    let (stream, continuation) = AsyncStream<Void>.makeStream()
    self.stream = stream
    let seen = Flag()
    self.seen = seen
    sources = Self.ends.map { number in
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { @Sendable in
        if seen.set() { _exit(130) }
        continuation.yield()
      }
      source.activate()
      return source
    }
    watchHangUps()
  }

  /// From now on SIGHUP calls this. Before, it does nothing.
  func whenHungUp(_ action: @escaping @Sendable () -> Void) { onHangUp.withLock { $0 = action } }

  private func watchHangUps() {
    let source = DispatchSource.makeSignalSource(signal: SIGHUP)
    source.setEventHandler { @Sendable [weak self] in self?.onHangUp.withLock { $0 }?() }
    source.activate()
    sources.append(source)
  }

  /// Whether one came.
  var came: Bool { seen.isSet }

  func wait() async {
    for await _ in stream { return }
  }
}

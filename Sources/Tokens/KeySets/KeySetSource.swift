import Foundation
import Logging
import Synchronization

/// Where a key set comes from, and the last good edition of it, which is kept up to date in the background.
///
/// While the source is down or broken the last good edition stays in use, for a day at most; ``warnings`` says so. Reading
/// blocks, so each time is done on a thread of its own, one at a time.
public final class KeySetSource: Sendable {
  /// A file, or an address with the scheme http or https.
  public enum Place: Sendable {
    case file(path: String)
    case url(String)
  }

  /// How often things happen; tests are quicker.
  struct Pace: Sendable {
    /// How often it is looked whether something is due: for a file, whether it changed.
    var tick: Duration
    /// How old what was fetched may be until it is fetched again.
    var refresh: Duration
    /// How long after an attempt the next one follows that a token or a failure calls for.
    var retry = Duration.seconds(30)
    /// How long a token waits for the set to be fetched.
    var patience = Duration.seconds(5)
    /// How long a set is used that cannot be confirmed.
    var expiry = Duration.seconds(86_400)

    static let file = Pace(tick: .seconds(5), refresh: .seconds(5), retry: .seconds(1))
    static let url = Pace(tick: .seconds(15), refresh: .seconds(300))
  }

  /// How many tokens wait for the set to be fetched at most.
  static let maximumWaiting = 1000

  private struct State {
    /// The last good set; not in use any more once it `isExpired`.
    var set: KeySet
    var isExpired = false
    /// Counts the changes of what is in use.
    var edition = 0
    /// When the source last confirmed the set.
    var confirmed: ContinuousClock.Instant?
    /// When the last attempt began, and how many there were.
    var attempted: ContinuousClock.Instant?
    var attempts = 0
    var progress = Progress.idle
    /// Why attempts fail, and since when.
    var failure: (sentence: String, since: Date)?
    /// Those who wait for the present attempt.
    var waiting: [CheckedContinuation<Void, Never>] = []
    var task: Task<Void, Never>?

    mutating func begin() {
      progress = .reading
      attempted = .now
      attempts += 1
    }

    func isOlder(_ instant: ContinuousClock.Instant?, than age: Duration) -> Bool {
      instant.map { $0.duration(to: .now) >= age } ?? true
    }
  }

  private enum Progress {
    case idle
    case reading
    /// Nobody waits for it any longer.
    case late
  }

  private let reader: any KeySetReader
  private let pace: Pace
  private let logger: Logger
  private let state: Mutex<State>

  /// - Throws: a ``KeyError`` for a file that holds no key set, and for text that is not a URL. Whether an address answers is not
  ///   checked here.
  public convenience init(_ place: Place, logger: Logger) throws(KeyError) {
    switch place {
    case .file(let path): try self.init(KeySetFile(path: path), pace: .file, logger: logger)
    case .url(let text): try self.init(KeySetAddress(text), pace: .url, logger: logger)
    }
  }

  init(_ reader: any KeySetReader, pace: Pace, logger: Logger) throws(KeyError) {
    var first = State(set: .empty)
    if reader.isLocal, let set = try reader.read() {
      first.set = set
      first.confirmed = .now
    }
    (self.reader, self.pace, self.logger) = (reader, pace, logger)
    state = Mutex(first)
  }

  deinit { stop() }

  /// Reads the set for the first time, waiting some seconds at most, and keeps it up to date from then on. A source that is
  /// down is a warning.
  public func start() async {
    try? await refresh()
    let tick = pace.tick
    let task = Task { [weak self] in
      while (try? await Task.sleep(for: tick)) != nil { self?.readIfDue() }
    }
    replaceTask(by: task)
  }

  /// Ends keeping it up to date.
  public func stop() { replaceTask(by: nil) }

  private func replaceTask(by task: Task<Void, Never>?) {
    let former = state.withLock { state in
      defer { state.task = task }
      return state.task
    }
    former?.cancel()
  }

  /// Warnings for the administrator, one sentence each.
  public var warnings: [String] {
    state.withLock { state in
      let faults = state.set.faults.map { "key set of \(reader.name): \($0)" }
      guard let failure = state.failure else { return faults }
      let consequence =
        if state.confirmed == nil {
          "tokens signed with its keys are refused"
        } else if state.isExpired {
          "the last valid one is too old, so tokens signed with its keys are refused"
        } else {
          "the last valid one stays in use"
        }
      let since = failure.since.ISO8601Format()
      return ["the key set of \(reader.name) has been unavailable since \(since) (\(failure.sentence)); \(consequence)"]
        + faults
    }
  }
}

// What the verifier asks.
extension KeySetSource {
  /// The set in use and the number of its edition, which grows with each change.
  var current: (set: KeySet, edition: Int) {
    state.withLock { ($0.isExpired ? .empty : $0.set, $0.edition) }
  }

  var edition: Int { state.withLock { $0.edition } }

  /// Whether a set from here may have a key for an algorithm.
  func mayHold(_ algorithm: Algorithm) -> Bool {
    reader.isLocal || ![.HS256, .HS384, .HS512].contains(algorithm)
  }

  /// Reads the set because a token calls for it, unless that was done just now, and waits for it, some seconds at most.
  /// - Throws: ``TokenError/busy`` if too many wait already.
  func refresh() async throws(TokenError) {
    var isBusy = false
    await withCheckedContinuation { continuation in
      let (waits, begins) = state.withLock { state -> (Bool, Bool) in
        switch state.progress {
        case .late: return (false, false)
        case .idle: guard state.isOlder(state.attempted, than: pace.retry) else { return (false, false) }
        case .reading:
          isBusy = state.waiting.count >= Self.maximumWaiting
          if isBusy { return (false, false) }
        }
        state.waiting.append(continuation)
        guard state.progress == .idle else { return (true, false) }
        state.begin()
        return (true, true)
      }
      if begins { read() }
      if !waits { continuation.resume() }
    }
    if isBusy { throw .busy }
  }
}

// Reading, an attempt at a time.
extension KeySetSource {
  private func readIfDue() {
    let (isDue, hasExpired) = state.withLock { state in
      let hasExpired = !state.isExpired && state.confirmed != nil && state.isOlder(state.confirmed, than: pace.expiry)
      if hasExpired {
        state.isExpired = true
        state.edition += 1
      }
      let age = state.failure == nil ? pace.refresh : min(pace.retry, pace.refresh)
      let isDue = state.progress == .idle && state.isOlder(state.attempted, than: age)
      if isDue { state.begin() }
      return (isDue, hasExpired)
    }
    if hasExpired { logger.error("the last key set of \(reader.name) is too old; its keys are not used any more") }
    if isDue { read() }
  }

  private func read() {
    let attempt = state.withLock { $0.attempts }
    Thread.detachNewThread { [self] in
      do throws(KeyError) {
        confirm(try reader.read())
      } catch {
        fail("\(error)")
      }
    }
    DispatchQueue.global().asyncAfter(deadline: .now() + pace.patience / .seconds(1)) { [weak self] in
      self?.giveUpWaiting(for: attempt)
    }
  }

  /// - Parameter set: nil if it is the one already known.
  private func confirm(_ set: KeySet?) {
    let (isChanged, isRecovered, waiting) = state.withLock { state in
      let isRecovered = state.failure != nil
      let isChanged = state.isExpired || set.map { $0 != state.set } ?? false
      if let set { state.set = set }
      if isChanged { state.edition += 1 }
      state.isExpired = false
      state.confirmed = .now
      state.failure = nil
      return (isChanged, isRecovered, Self.end(&state))
    }
    for continuation in waiting { continuation.resume() }
    if isChanged {
      let set = current.set
      logger.notice("the key set of \(reader.name) has \(set.keys.count) keys now")
      for fault in set.faults { logger.warning("key set of \(reader.name): \(fault)") }
    } else if isRecovered {
      logger.notice("the key set of \(reader.name) is available again, unchanged")
    }
  }

  private func fail(_ sentence: String) {
    let (isNews, waiting) = state.withLock { state in
      let isNews = note(sentence, &state)
      return (isNews, Self.end(&state))
    }
    for continuation in waiting { continuation.resume() }
    if isNews { logger.warning("the key set of \(reader.name) is unavailable: \(sentence)") }
  }

  private func giveUpWaiting(for attempt: Int) {
    let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      guard state.attempts == attempt, state.progress == .reading else { return [] }
      let waiting = Self.end(&state)
      state.progress = .late
      // A reading that never ends is a failure too.
      _ = note("reading it takes too long", &state)
      return waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  private func note(_ sentence: String, _ state: inout State) -> Bool {
    defer { state.failure = (sentence, state.failure?.since ?? Date()) }
    return state.failure?.sentence != sentence
  }

  private static func end(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
    defer { state.waiting = [] }
    state.progress = .idle
    return state.waiting
  }
}

import Callers
import Foundation
import HTTP
import JSON
import JobEngine
import JobStore
import JobStoreSQLite
import Logging
import Synchronization

/// Waits until no other Weir uses the state directory and its disk can be written. Meanwhile `/live` is answered, `/ready`
/// says why Weir waits, and every other call is 503.
final class Standby: Sendable {
  /// How often the lock is tried: a fifth of the five seconds in which a standby has to take over.
  private static let interval = Duration.seconds(1)

  private let directory: String
  private let outputLimit: Int
  private let configuration: ServerConfiguration
  private let gate: Gate
  private let logger: Logger
  /// What is waited for, and why.
  private let waiting = Mutex((cause: Cause.turn, reason: ""))
  private let server = Mutex<Server?>(nil)

  private enum Cause {
    /// Another Weir has the state directory.
    case turn
    /// The store cannot be written.
    case disk
  }

  /// - Parameters:
  ///   - outputLimit: how many bytes of output the store keeps.
  ///   - gate: decides who sees the reason.
  init(directory: String, outputLimit: Int, configuration: ServerConfiguration, gate: Gate, logger: Logger) {
    self.directory = directory
    self.outputLimit = outputLimit
    self.configuration = configuration
    self.gate = gate
    self.logger = logger
  }

  /// The store, once it is ours, with the lock on it; nil when a signal came first.
  /// - Throws: ``StartError`` for errors that waiting does not solve.
  func open(until signals: Signals) async throws -> (SQLiteJobStore, StateDirectoryLock)? {
    var lock: StateDirectoryLock?
    while !signals.came {
      do {
        let state = try StateDirectory(directory)
        if lock == nil { lock = try await take(state, signals) }
        if let lock { return (try SQLiteJobStore(directory: directory, outputLimit: outputLimit), lock) }
      } catch StoreError.unwritable(let reason) {
        try await wait(
          .disk, "waiting for the job store: \(directory) cannot be written: \(reason)", signals)
      } catch let error as StoreError {
        throw StartError(description: "WEIR_STATE_DIR: the job store in \(directory) cannot be opened: \(error)")
      }
      try await Task.sleep(for: Self.interval)
    }
    await end()
    return nil
  }

  private func take(_ state: StateDirectory, _ signals: Signals) async throws -> StateDirectoryLock? {
    switch try state.takeLock() {
    case .held(let lock):
      if let warning = state.fileSystemWarning { logger.warning("WEIR_STATE_DIR: \(warning)") }
      if server.withLock({ $0 != nil }) { logger.notice("taking over: the lock on \(directory) is free") }
      return lock
    case .heldBy(let holder):
      try await wait(.turn, "standby: another Weir holds \(directory): \(holder)", signals)
      return nil
    }
  }

  /// The server that has listened meanwhile, if there is one: its port stays open while the service takes over.
  func handOver() -> Server? { server.withLock { $0.take() } }

  private func end() async {
    await handOver()?.drain(within: .seconds(1))
  }

  private func wait(_ cause: Cause, _ reason: String, _ signals: Signals) async throws {
    let isNew = waiting.withLock { known in
      defer { known = (cause, reason) }
      return known.reason != reason
    }
    if isNew { logger.notice("\(reason)") }
    guard server.withLock({ $0 == nil }) else { return }
    let server = Server(configuration: configuration, router: router(), logger: logger)
    do { try await server.start(logger: logger) { signals.came } } catch {
      throw StartError(listening: error, on: configuration.bindAddress)
    }
    self.server.withLock { $0 = server }
    logger.notice("listening on \(configuration.bindAddress):\(server.port)", metadata: ["state": "standby"])
  }

  private func router() -> Router {
    var router = Router()
    router.on("GET", "/live") { _ in .now(Self.answer(["status": "OK"])) }
    router.on("GET", "/ready") { [self] in try ready($0) }
    // No other path is known here: every other call is 503.
    router.renderError = { [self] _, _ in
      var answer = Self.answer(Self.refusal(waiting.withLock { $0.cause }), 503)
      answer.headers.set("Retry-After", "5")
      return answer
    }
    return router
  }

  private static func refusal(_ cause: Cause) -> [String: JSONText.Value] {
    switch cause {
    case .turn: ["code": "standby", "error": "standby", "hint": "call the Weir that is in service, or try again later"]
    case .disk:
      [
        "code": "store_unavailable", "error": "the job store cannot be used now: its disk cannot be written",
        "hint": "try again later; an administrator finds the reason in /ready",
      ]
    }
  }

  /// The reason names directories, hosts and processes: it is for the service.
  private func ready(_ request: Request) throws -> Answer {
    let word: JSONText.Value = waiting.withLock { $0.cause } == .turn ? "standby" : "unavailable"
    let outsiders = Self.answer(["status": "BAD", "reasons": .array([word])], 503)
    guard request.headers["Authorization"] != nil || gate.authenticator.isOpen else { return .now(outsiders) }
    let answer = try gate.admit(request) { [self] _, caller in
      guard caller.seesAllJobs else { return .now(outsiders) }
      return .now(Self.answer(["status": "BAD", "reasons": [.string(waiting.withLock { $0.reason })]], 503))
    }
    guard case .later(let operation) = answer else { return answer }
    return .later { (try? await operation()) ?? outsiders }
  }

  private static func answer(_ members: [String: JSONText.Value], _ status: Int = 200) -> Response {
    .json(JSONText.encode(.object(members)), status: .init(status))
  }
}

import Foundation
import JobModel
import Synchronization

/// Clocks that move only by hand, the calendar and the monotonic one apart. Tasks that wait by it wake when their time has
/// come.
final class ManualClock: Sendable {
  private struct Sleeper {
    let until: ContinuousClock.Instant
    let wake: CheckedContinuation<Void, any Error>
  }

  private struct Observer {
    let count: Int
    let wake: CheckedContinuation<Void, Never>
  }

  private struct State {
    var date = Date(timeIntervalSince1970: 1_800_000_000)
    var now = ContinuousClock.now
    var next = 0
    var sleepers: [Int: Sleeper] = [:]
    var observers: [Int: Observer] = [:]

    mutating func newID() -> Int {
      next += 1
      return next
    }

    mutating func takeDue() -> [Sleeper] {
      let due = sleepers.filter { $0.value.until <= now }.sorted { $0.value.until < $1.value.until }
      for (id, _) in due { sleepers[id] = nil }
      return due.map(\.value)
    }

    mutating func takeObservers() -> [CheckedContinuation<Void, Never>] {
      let met = observers.filter { $0.value.count <= sleepers.count }
      for id in met.keys { observers[id] = nil }
      return met.values.map(\.wake)
    }
  }

  private let state = Mutex(State())

  var date: Date { state.withLock { $0.date } }
  var now: ContinuousClock.Instant { state.withLock { $0.now } }

  /// - Parameter boot: another one after the machine was started.
  func clock(boot: String? = "first") -> JobClock {
    JobClock(
      boot: boot, date: { self.date }, instant: { self.now }, sleep: { try await self.sleep(for: $0) })
  }

  // MARK: Moving it

  /// Both clocks go on.
  func pass(_ seconds: TimeInterval) { pass(.seconds(seconds)) }

  func pass(_ duration: Duration) {
    let due = state.withLock { state in
      state.now += duration
      state.date += TimeInterval(duration / .seconds(1))
      return state.takeDue()
    }
    for sleeper in due { sleeper.wake.resume() }
  }

  /// The calendar alone is set.
  func step(_ seconds: TimeInterval) { state.withLock { $0.date += seconds } }

  /// Waits until so many tasks sleep: all that the test has running. Returns early when the task is canceled.
  func sleepers(_ count: Int) async {
    let id = state.withLock { $0.newID() }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isMet = state.withLock { state in
          if state.sleepers.count >= count || Task.isCancelled { return true }
          state.observers[id] = Observer(count: count, wake: continuation)
          return false
        }
        if isMet { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.observers.removeValue(forKey: id) }?.wake.resume()
    }
  }

  /// Does something while time goes from one sleeper's end to the next, each time that so many tasks sleep.
  func running<Result: Sendable>(
    whenAsleep count: Int, _ body: @Sendable () async throws -> Result
  ) async rethrows -> Result {
    let mover = Task {
      while !Task.isCancelled {
        await sleepers(count)
        if !Task.isCancelled { passToNext() }
      }
    }
    defer { mover.cancel() }
    return try await body()
  }

  private func passToNext() {
    let pause = state.withLock { state in state.sleepers.values.map(\.until).min().map { $0 - state.now } }
    if let pause { pass(max(.zero, pause)) }
  }

  // MARK: Sleeping

  func sleep(for duration: Duration) async throws {
    let id = state.withLock { $0.newID() }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let (isAsleep, observers) = state.withLock { state in
          guard !Task.isCancelled, duration > .zero else { return (false, [CheckedContinuation<Void, Never>]()) }
          state.sleepers[id] = Sleeper(until: state.now + duration, wake: continuation)
          return (true, state.takeObservers())
        }
        for observer in observers { observer.resume() }
        if !isAsleep { continuation.resume(with: Result { try Task.checkCancellation() }) }
      }
    } onCancel: {
      state.withLock { $0.sleepers.removeValue(forKey: id) }?.wake.resume(throwing: CancellationError())
    }
  }
}

/// Waits for a condition that tasks bring about which do not sleep.
func eventually(_ condition: () throws -> Bool) async rethrows { while try !condition() { await Task.yield() } }

/// Holds up those who pass, until it is opened.
final class Gate: Sendable {
  private struct State {
    var isOpen = false
    var waiting: [CheckedContinuation<Void, Never>] = []
    var hasArrived = false
    var observers: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  func pass() async {
    await withCheckedContinuation { continuation in
      let (isOpen, observers) = state.withLock { state in
        state.hasArrived = true
        if !state.isOpen { state.waiting.append(continuation) }
        defer { state.observers = [] }
        return (state.isOpen, state.observers)
      }
      for observer in observers { observer.resume() }
      if isOpen { continuation.resume() }
    }
  }

  /// Waits until somebody has arrived.
  func arrival() async {
    await withCheckedContinuation { continuation in
      let isHere = state.withLock { state in
        if !state.hasArrived { state.observers.append(continuation) }
        return state.hasArrived
      }
      if isHere { continuation.resume() }
    }
  }

  func open() {
    let waiting = state.withLock { state in
      state.isOpen = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for one in waiting { one.resume() }
  }
}

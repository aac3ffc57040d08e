import Foundation
import JobModel
import JobStore
import Logging
import Support

/// Writes what changed of jobs to the store; nothing else does. What the disk does not take is kept, and written as soon
/// as it does.
///
/// Not shared: its ``Ledger`` alone uses it.
final class StoreWriter {
  private let store: any JobStore
  private let cache: JobCache
  private let clock: JobClock
  private let logger: Logger
  /// How many jobs are written at a time.
  private let page: Int
  /// Comes back to ``tryAgain()`` where the ledger's state may be changed.
  private let comeBack: @Sendable () async -> Void
  /// What is not on disk yet.
  private var unsaved: [JobID: JobWrite] = [:]
  /// Set when the database turned out to be damaged: nothing more is written to it.
  private var damage: String?
  private var retry: Task<Void, Never>?

  init(
    to store: any JobStore, cache: JobCache, page: Int, clock: JobClock, logger: Logger,
    comeBack: @escaping @Sendable () async -> Void
  ) {
    (self.store, self.cache, self.page, self.clock, self.logger) = (store, cache, page, clock, logger)
    self.comeBack = comeBack
  }

  var isAllSaved: Bool { unsaved.isEmpty }
  func isUnsaved(_ id: JobID) -> Bool { unsaved[id] != nil }

  // MARK: Writing

  /// Makes a change of the store, and learns from it whether the store can be written.
  @discardableResult
  func write<Value>(_ body: (any JobStore) throws -> Value) throws -> Value {
    if let damage { throw StoreError.damaged(damage) }
    do {
      let value = try body(store)
      if unsaved.isEmpty { heal() }
      return value
    } catch let error as JobError {
      throw error
    } catch {
      let error = StoreError(error)
      if case .unusable = error {} else { suffer(error) }
      throw error
    }
  }

  /// Keeps what changed of a job to be written by ``save()``.
  /// - Parameter outputDue: when its output goes, if this is its end.
  func add(_ after: Job, from before: Job, events: [JobEvent], outputDue: Date) {
    var change = JobWrite(after, from: before, events: events)
    if var earlier = unsaved[after.id] {
      earlier.add(change)
      change = earlier
    }
    if after.state.isTerminal, !before.state.isTerminal { change.outputDue = outputDue }
    if before.state.isTerminal, !before.hasSameEnd(as: after) { change.corrects = change.corrects ?? before }
    if !after.state.isTerminal { change.outputDue = nil }
    unsaved[after.id] = change
  }

  /// Writes what is not on disk yet of one job.
  func save(_ id: JobID) throws -> JobWrite.Result {
    guard let change = unsaved[id] else { return .init() }
    let result = try save([change])
    unsaved[id] = nil
    return result
  }

  /// Forgets what is not written of a job whose row is gone.
  func drop(_ id: JobID) { unsaved[id] = nil }

  /// Writes what is not on disk yet; of very much a page, and the rest soon.
  /// - Returns: what came of it; nothing where the disk takes nothing.
  func save() -> JobWrite.Result {
    guard !unsaved.isEmpty else { return .init() }
    let changes = Array(unsaved.values.prefix(page))
    let result: JobWrite.Result
    do {
      result = try save(changes)
      for change in changes { unsaved[change.job.id] = nil }
    } catch {
      guard case .unusable? = error as? StoreError else {
        tryAgain(after: .seconds(1))
        return .init()
      }
      result = saveOneByOne(changes)
    }
    if unsaved.isEmpty { heal() } else { tryAgain(after: .milliseconds(1)) }
    return result
  }

  /// Writes changes of which the store does not take one: that one is dropped.
  private func saveOneByOne(_ changes: [JobWrite]) -> JobWrite.Result {
    var result = JobWrite.Result()
    for change in changes {
      do { result.add(try save([change])) } catch {
        guard case .unusable(let reason)? = error as? StoreError else { break }
        logger.error("\(change.job.key): its change cannot be stored and is dropped: \(reason)")
      }
      unsaved[change.job.id] = nil
    }
    return result
  }

  /// Writes changes of jobs at once, in one transaction.
  func save(_ writes: [JobWrite]) throws -> JobWrite.Result { try write { try $0.save(writes) } }

  /// Writes all that is left to be written, unless the disk does not take it.
  func flush() -> JobWrite.Result {
    var left = unsaved.count
    var result = tryAgain()
    while !unsaved.isEmpty, unsaved.count < left {
      left = unsaved.count
      result.add(tryAgain())
    }
    return result
  }

  // MARK: A store that cannot be written

  /// The database turned out to be damaged: it is read for as long as that goes well, and written no more.
  func condemn(_ fault: String) {
    damage = fault
    suffer(.damaged(fault))
  }

  private func suffer(_ error: StoreError) {
    let words: String
    switch error {
    case .damaged(let reason):
      damage = reason
      words = "the job store is damaged and is no longer written: \(reason); run `weir store check`"
    case .unwritable(let reason): words = "the job store cannot be written: \(reason)"
    default: words = "the job store cannot be used: \(error)"
    }
    if cache.read({ $0.storeIssue }) != words { logger.critical("\(words)") }
    cache.note(storeIssue: words)
    tryAgain(after: .seconds(1))
  }

  private func heal() {
    guard let issue = cache.read({ $0.storeIssue }) else { return }
    cache.note(storeIssue: nil)
    logger.notice("the job store can be written again, after: \(issue)")
  }

  /// Tries once more after that pause, and so on until it goes well.
  private func tryAgain(after pause: Duration) {
    guard retry == nil, damage == nil else { return }
    retry = Task { [clock, comeBack] in
      try? await clock.sleep(for: pause)
      await comeBack()
    }
  }

  /// Writes what is left to be written, if the disk takes it.
  func tryAgain() -> JobWrite.Result {
    retry = nil
    guard damage == nil else { return .init() }
    if !unsaved.isEmpty { return save() }
    if cache.read({ $0.storeIssue != nil }) { _ = try? write { try $0.probe() } }
    return .init()
  }
}

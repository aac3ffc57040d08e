import JobModel
import Synchronization

/// Carries each change of a job to all who subscribed, in the order in which the changes happened.
///
/// A subscriber that is slow or gone holds up nobody but itself: a ``subscribe(_:)`` closure must return at once, and a
/// ``changes(buffering:)`` stream drops what its reader does not take, and says so.
package final class EventBus: Sendable {
  /// A job that came or changed.
  package struct Change: Sendable {
    /// As it is now.
    package let job: Job
    /// What is recorded of it; none where only what was seen of the job is newer. While the disk takes nothing, or very
    /// much at once, they have no numbers, and come once more with their numbers when they are written. What must miss no
    /// event follows the numbers, by ``JobStore/events(after:limit:)``.
    package let events: [JobEvent]
  }

  /// A place on the bus, which its holder can leave.
  package struct Subscription: Sendable {
    fileprivate let id: UInt64
    private let bus: EventBus

    fileprivate init(id: UInt64, bus: EventBus) { (self.id, self.bus) = (id, bus) }

    /// Ends it. A change that is being published at this moment may still arrive.
    package func cancel() { bus.remove(id) }
  }

  /// A closure that is taken out of a mutex as such is wrapped again each time, and so gets slower with each call.
  private struct Subscriber: Sendable {
    let id: UInt64
    let receive: @Sendable (Change) -> Void
  }

  private let state = Mutex((next: UInt64(0), subscribers: [Subscriber]()))

  /// Calls a closure with each change from now on, on the thread that changed the job, before the next change happens.
  @discardableResult
  package func subscribe(_ receive: @escaping @Sendable (Change) -> Void) -> Subscription {
    state.withLock { state in
      let id = state.next
      state.next += 1
      state.subscribers.append(Subscriber(id: id, receive: receive))
      return Subscription(id: id, bus: self)
    }
  }

  /// The changes from now on, for one reader who takes them when it can.
  /// - Parameter limit: how many changes wait for the reader. Beyond it the oldest are dropped, and the stream says how many.
  package func changes(buffering limit: Int) -> ChangeStream {
    let stream = ChangeStream(limit: limit)
    let subscription = subscribe { [weak stream] change in stream?.add(change) }
    stream.onCancel { subscription.cancel() }
    return stream
  }

  /// Hands changes to all subscribers. They are called by one thread at a time.
  func publish(_ changes: some Sequence<Change>) {
    let subscribers = state.withLock { $0.subscribers }
    guard !subscribers.isEmpty else { return }
    for change in changes { for subscriber in subscribers { subscriber.receive(change) } }
  }

  var subscriberCount: Int { state.withLock { $0.subscribers.count } }

  private func remove(_ id: UInt64) {
    state.withLock { state in state.subscribers.removeAll { $0.id == id } }
  }
}

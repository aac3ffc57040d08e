import CEpoll
import Dispatch
import Glibc

/// Something an ``EventLoop`` watches. All of it is called on the loop's queue, and nothing else touches it.
protocol Pollable: AnyObject {
  /// When ``expire()`` wants to be called, on the loop's clock; `.max` is never.
  var deadline: Nanoseconds { get }
  /// The descriptor is ready; `events` are epoll's.
  func ready(_ events: UInt32)
  func expire()
  /// Take nothing new, and leave the loop when what was begun is done.
  func drain()
  /// Leave the loop now.
  func close()
}

/// A moment on the monotonic clock.
typealias Nanoseconds = UInt64

/// One epoll set, whose descriptor is watched by one Dispatch source on a serial queue.
///
/// Measured against a source per connection this halves the calls of the system per request. Everything here is
/// confined to ``queue``, which is asserted in debug builds; that is why the class may be called Sendable.
final class EventLoop: @unchecked Sendable {
  let queue: DispatchQueue
  private(set) var isDraining = false

  private let epoll: Int32
  private let source: any DispatchSourceRead
  private let timer: any DispatchSourceTimer
  /// By descriptor. The kernel names at most one event per descriptor in a batch and a pollable is only closed by its
  /// own event, a timer or another block of the queue: so a batch never holds an event for a descriptor's predecessor.
  private var pollables: [(any Pollable)?] = []
  private var count = 0
  private var nextWake = Nanoseconds.max
  private var events = [epoll_event](repeating: epoll_event(), count: 256)
  private var isStopped = false
  private var whenEmpty: [@Sendable () -> Void] = []
  private var drainDeadline = Nanoseconds.max

  /// Deadlines are kept this precisely.
  private static let granularity: Nanoseconds = 20_000_000
  /// How often the set is asked again before other blocks of the queue have their turn.
  private static let roundsPerTurn = 16

  init(label: String) throws(ServerError) {
    queue = DispatchQueue(label: label, qos: .userInitiated)
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw .system(operation: "epoll_create1", errno: errno) }
    source = DispatchSource.makeReadSource(fileDescriptor: epoll, queue: queue)
    timer = DispatchSource.makeTimerSource(queue: queue)
  }

  /// Begins to watch; ``stop()`` has to follow some time, for the sources keep the loop alive.
  func start() {
    let epoll = epoll
    source.setEventHandler { @Sendable [self] in turn() }
    source.setCancelHandler { @Sendable in _ = Glibc.close(epoll) }
    timer.setEventHandler { @Sendable [self] in expire() }
    timer.schedule(deadline: .distantFuture)
    source.activate()
    timer.activate()
  }

  static var now: Nanoseconds {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
    return Nanoseconds(time.tv_sec) &* 1_000_000_000 &+ Nanoseconds(time.tv_nsec)
  }

  func assertConfined() {
    assert(
      {
        dispatchPrecondition(condition: .onQueue(queue))
        return true
      }())
  }

  // MARK: Watching

  /// - Returns: false when the loop has stopped or the kernel refuses; the descriptor is still the caller's then.
  func add(_ pollable: any Pollable, fd: Int32, events: UInt32) -> Bool {
    assertConfined()
    guard !isStopped, control(EPOLL_CTL_ADD, fd, events) else { return false }
    let index = Int(fd)
    while pollables.count <= index { pollables.append(nil) }
    pollables[index] = pollable
    count += 1
    wake(by: pollable.deadline)
    return true
  }

  func modify(fd: Int32, events: UInt32) { _ = control(EPOLL_CTL_MOD, fd, events) }

  /// Forgets a descriptor and closes it, which takes it out of the epoll set.
  func close(fd: Int32) {
    assertConfined()
    guard Int(fd) < pollables.count, pollables[Int(fd)] != nil else { return }
    pollables[Int(fd)] = nil
    _ = Glibc.close(fd)
    count -= 1
    if count == 0 { becameEmpty() }
  }

  private func control(_ operation: Int32, _ fd: Int32, _ events: UInt32) -> Bool {
    var event = epoll_event(events: events, data: epoll_data_t(fd: fd))
    return epoll_ctl(epoll, operation, fd, &event) == 0
  }

  private func turn() {
    for _ in 0..<Self.roundsPerTurn {
      guard !isStopped else { return }
      let ready = epoll_wait(epoll, &events, Int32(events.count), 0)
      guard ready > 0 else { return }
      for index in 0..<Int(ready) {
        let event = events[index]
        pollables[Int(event.data.fd)]?.ready(event.events)
      }
    }
  }

  // MARK: Time

  /// Has ``Pollable/expire()`` called no later than a little after `deadline`.
  func wake(by deadline: Nanoseconds) {
    guard deadline < nextWake else { return }
    nextWake = deadline
    let now = Self.now
    let wait = deadline > now ? deadline - now : 0
    timer.schedule(
      deadline: .now() + .nanoseconds(Int(clamping: max(wait, Self.granularity))), leeway: .milliseconds(5))
  }

  /// One timer for all: it looks at every deadline, which takes a tenth of a millisecond for ten thousand of them.
  private func expire() {
    guard !isStopped else { return }
    nextWake = .max
    let now = Self.now
    if drainDeadline <= now { closeAll() }
    var next = drainDeadline
    for index in pollables.indices {
      guard let pollable = pollables[index] else { continue }
      if pollable.deadline <= now { pollable.expire() }
      if pollables[index] != nil { next = min(next, pollable.deadline) }
    }
    wake(by: next)
  }

  // MARK: The end

  /// Has everything finish what it began, and closes what has not by `deadline`; `done` is called when the loop
  /// watches nothing any more.
  func drain(by deadline: Nanoseconds, done: @escaping @Sendable () -> Void) {
    assertConfined()
    isDraining = true
    drainDeadline = min(drainDeadline, deadline)
    whenEmpty.append(done)
    for pollable in pollables { pollable?.drain() }
    if count == 0 { becameEmpty() } else { wake(by: drainDeadline) }
  }

  /// Closes everything, the epoll set too.
  func stop() {
    assertConfined()
    guard !isStopped else { return }
    isStopped = true
    closeAll()
    source.cancel()
    timer.cancel()
  }

  private func closeAll() {
    drainDeadline = .max
    for pollable in pollables { pollable?.close() }
  }

  private func becameEmpty() {
    let waiting = whenEmpty
    whenEmpty = []
    for done in waiting { done() }
  }
}

extension Nanoseconds {
  /// A duration; a negative one is 0, one of centuries as long as the clock goes.
  init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let (whole, overflow) = UInt64(Swift.max(0, seconds)).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflow2) = whole.addingReportingOverflow(UInt64(Swift.max(0, attoseconds)) / 1_000_000_000)
    self = overflow || overflow2 ? .max : sum
  }

  /// The moment so long from now, never past the end of the clock.
  static func deadline(in duration: Nanoseconds) -> Nanoseconds {
    let (moment, overflow) = EventLoop.now.addingReportingOverflow(duration)
    return overflow ? .max : moment
  }
}

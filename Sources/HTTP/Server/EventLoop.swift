import CEpoll
import Dispatch
import Glibc
import Synchronization

/// Something an ``EventLoop`` watches. All of it is called on the loop's queue, and nothing else touches it.
protocol Pollable: AnyObject {
  /// When ``expire()`` wants to be called, on the loop's clock; `.max` is never.
  var deadline: Nanoseconds { get }
  /// The descriptor is ready; `events` are epoll's.
  func ready(_ events: UInt32)
  func expire()
  /// Leave the loop to make room, if it still waits for that.
  /// - Returns: whether it left.
  func evict(_ waiting: Waiting) -> Bool
  /// Whether its client is in that network.
  func isOf(_ network: ClientNetwork) -> Bool
  /// Take nothing new, and leave the loop when what was begun is done.
  func drain()
  /// Leave the loop now.
  func close()
}

/// One epoll set, whose descriptor is watched by one Dispatch source on a serial queue.
///
/// Measured against a source per connection this halves the calls of the system per request. A loop that has just been
/// busy waits in `epoll_wait` for a moment before it gives its thread back: under load Dispatch, which needs two thread
/// changes to say that a descriptor is ready, is not asked at all. Everything here is confined to ``queue``, which is
/// asserted in debug builds; that is why the class may be called Sendable.
final class EventLoop: @unchecked Sendable {
  typealias Job = @Sendable () -> Void

  /// Whether the loop has a thread, and its state.
  private enum Mode {
    /// Dispatch watches the set.
    case idle
    case running
    /// In `epoll_wait`, out of which only a descriptor brings it.
    case waiting
  }

  private struct Inbox {
    var jobs: [Job] = []
    var mode = Mode.idle
  }

  private let queue: DispatchQueue
  @exclusivity(unchecked) private(set) var isDraining = false

  private let inbox = Locked(Inbox())
  private let epoll: Int32
  /// A pair of sockets: a byte in the second ends the loop's wait.
  private let wakeUp: (receiver: Int32, sender: Int32)
  private let source: any DispatchSourceRead
  /// A timer's descriptor in the set: Dispatch makes its own when it is first needed, and out of descriptors, when the
  /// listener waits for one, it could not.
  private let timer: Int32
  /// By descriptor.
  @exclusivity(unchecked) private var pollables: [(any Pollable)?] = []
  /// In which round each was added. One event can close another's descriptor, to make room, and the next have it again:
  /// what the kernel said before is not about the new one.
  @exclusivity(unchecked) private var addedIn: [UInt64] = []
  @exclusivity(unchecked) private var round: UInt64 = 0
  private var count = 0
  @exclusivity(unchecked) private var nextWake = Nanoseconds.max
  private let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 256)
  @exclusivity(unchecked) private var isStopped = false
  private var whenEmpty: [@Sendable () -> Void] = []
  private var drainDeadline = Nanoseconds.max

  @exclusivity(unchecked) private var timers = TimerWheel()
  /// Those who wait for their clients.
  @exclusivity(unchecked) private var waiting = WaitingLists()
  /// Since when the first of each of these waits. Other loops read it.
  let oldest = OldestWaiting()

  /// The timer is not set for less.
  private static let granularity: Nanoseconds = 5_000_000
  /// How often the set is asked before other blocks of the queue have their turn.
  private static let roundsPerTurn = 256
  /// How long the loop stays with an idle set, in milliseconds.
  private static let patience: Int32 = 10

  init(label: String) throws(ServerError) {
    queue = DispatchQueue(label: label, qos: .userInitiated)
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    timer = timerfd_create(CLOCK_MONOTONIC, Int32(O_NONBLOCK | O_CLOEXEC))
    var pair: [Int32] = [-1, -1]
    let paired = socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | O_CLOEXEC, 0, &pair)
    wakeUp = (receiver: pair[0], sender: pair[1])
    guard epoll >= 0, timer >= 0, paired == 0 else {
      let number = errno
      for descriptor in [epoll, timer] + pair where descriptor >= 0 { _ = Glibc.close(descriptor) }
      throw .system(operation: "making an event loop", errno: number)
    }
    for descriptor in [timer, wakeUp.receiver] {
      var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: descriptor))
      _ = epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
    }
    source = DispatchSource.makeReadSource(fileDescriptor: epoll, queue: queue)
  }

  deinit { events.deallocate() }

  /// Begins to watch; ``stop()`` has to follow some time, for the source keeps the loop alive.
  func start() {
    let descriptors = [epoll, timer, wakeUp.receiver, wakeUp.sender]
    source.setEventHandler { @Sendable [self] in turn() }
    source.setCancelHandler { @Sendable in
      for descriptor in descriptors { _ = Glibc.close(descriptor) }
    }
    source.activate()
  }

  /// The time as of the clock's last tick, some milliseconds ago.
  static var now: Nanoseconds { clock(CLOCK_MONOTONIC_COARSE) }
  static var preciseNow: Nanoseconds { clock(CLOCK_MONOTONIC) }

  static var secondsSince1970: Double { Double(clock(CLOCK_REALTIME)) / 1_000_000_000 }

  private static func clock(_ id: clockid_t) -> Nanoseconds {
    var time = timespec()
    clock_gettime(id, &time)
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
    while pollables.count <= index {
      pollables.append(nil)
      addedIn.append(0)
    }
    pollables[index] = pollable
    addedIn[index] = round
    count += 1
    wake(fd, by: pollable.deadline)
    return true
  }

  func modify(fd: Int32, events: UInt32) { _ = control(EPOLL_CTL_MOD, fd, events) }

  /// Forgets a descriptor and closes it. That alone would not take it out of the epoll set while a child that is just
  /// being started has a copy of it.
  func close(fd: Int32) {
    assertConfined()
    guard Int(fd) < pollables.count, pollables[Int(fd)] != nil else { return }
    pollables[Int(fd)] = nil
    timers.remove(Int(fd))
    mark(fd, as: nil)
    _ = control(EPOLL_CTL_DEL, fd, 0)
    _ = Glibc.close(fd)
    count -= 1
    if count == 0 { becameEmpty() }
  }

  private func control(_ operation: Int32, _ fd: Int32, _ events: UInt32) -> Bool {
    var event = epoll_event(events: events, data: epoll_data_t(fd: fd))
    return epoll_ctl(epoll, operation, fd, &event) == 0
  }

  // MARK: Those who wait

  /// Notes that a descriptor waits for its client, from now on unless it did before; nil when it does not.
  func mark(_ fd: Int32, as kind: Waiting?) {
    if waiting.mark(Int(fd), as: kind) { oldest.publish(waiting) }
  }

  /// Closes the one that has waited for that longest.
  /// - Parameter network: only if it is of this network; then only some of them are looked at.
  /// - Returns: false when none does.
  func evictOldest(_ kind: Waiting, of network: ClientNetwork? = nil) -> Bool {
    assertConfined()
    var next = waiting.first(kind)
    var looked = 0
    while let fd = next, looked < (network == nil ? .max : 64) {
      looked += 1
      next = waiting.next(after: fd)
      guard let pollable = pollables[fd] else {
        mark(Int32(fd), as: nil)
        continue
      }
      if let network, !pollable.isOf(network) { continue }
      if pollable.evict(kind) { return true }
      // What it waits for is of another kind, or it may not be closed.
      if waiting.kind(of: fd) == kind { mark(Int32(fd), as: nil) }
      // The lists may be other ones by now.
      if network == nil { next = waiting.first(kind) }
    }
    return false
  }

  // MARK: Turns

  /// Has `job` run on the loop soon, in the order of the calls; from any thread.
  func perform(_ job: @escaping Job) {
    let mode: Mode? = inbox.access { inbox in
      inbox.jobs.append(job)
      // The first call has done what is needed.
      return inbox.jobs.count == 1 ? inbox.mode : nil
    }
    switch mode {
    case .idle: queue.async { @Sendable [self] in turn() }
    case .waiting: interruptWait()
    case .running, nil: break
    }
  }

  /// Serves what is ready, until nothing is for a while.
  private func turn() {
    for _ in 0..<Self.roundsPerTurn {
      let patience = runJobs()
      if isStopped { break }
      let ready = epoll_wait(epoll, events.baseAddress, Int32(events.count), patience)
      inbox.access { $0.mode = .running }
      guard ready > 0 || patience == 0 else { break }
      round += 1
      var isTimeUp = false
      for event in events[..<max(0, Int(ready))] {
        switch event.data.fd {
        case wakeUp.receiver: swallowWakeUp()
        case timer: isTimeUp = true
        case let fd where addedIn[Int(fd)] != round: pollables[Int(fd)]?.ready(event.events)
        default: break
        }
      }
      if isTimeUp {
        swallowTimer()
        expire()
      }
    }
    let isAsked = inbox.access { inbox in
      inbox.mode = .idle
      return !inbox.jobs.isEmpty
    }
    if isAsked { queue.async { @Sendable [self] in turn() } }
  }

  /// Runs the jobs that were asked for.
  /// - Returns: how long may be waited for descriptors then, in milliseconds.
  private func runJobs() -> Int32 {
    let jobs = inbox.access { inbox in
      inbox.mode = .running
      if inbox.jobs.isEmpty { return [Job]() }
      let jobs = inbox.jobs
      inbox.jobs = []
      return jobs
    }
    for job in jobs { job() }
    return inbox.access { inbox in
      // What the jobs asked for in turn comes after the next look at the set. After a stop there is none.
      guard inbox.jobs.isEmpty, !isStopped else { return 0 }
      inbox.mode = .waiting
      return Self.patience
    }
  }

  private func interruptWait() {
    var byte: UInt8 = 0
    send(wakeUp.sender, &byte, 1, Int32(MSG_NOSIGNAL))
  }

  private func swallowWakeUp() {
    var bytes: (UInt64, UInt64) = (0, 0)
    recv(wakeUp.receiver, &bytes, MemoryLayout.size(ofValue: bytes), 0)
  }

  private func swallowTimer() {
    var expirations: UInt64 = 0
    _ = read(timer, &expirations, MemoryLayout.size(ofValue: expirations))
  }

  // MARK: Time

  /// Has ``Pollable/expire()`` called a little after `deadline`, unless its deadline is a later one by then.
  func wake(_ fd: Int32, by deadline: Nanoseconds) {
    if let moment = timers.schedule(Int(fd), by: deadline) { wake(by: moment) }
  }

  private func wake(by moment: Nanoseconds) {
    guard moment < nextWake else { return }
    nextWake = moment
    let now = Self.preciseNow
    let wait = max(moment > now ? moment - now : 0, Self.granularity)
    var time = itimerspec()
    time.it_value.tv_sec = Int(wait / 1_000_000_000)
    time.it_value.tv_nsec = Int(wait % 1_000_000_000)
    timerfd_settime(timer, 0, &time, nil)
  }

  private func expire() {
    guard !isStopped else { return }
    nextWake = .max
    let now = Self.preciseNow
    if drainDeadline <= now { closeAll() }
    while let fd = timers.popDue(by: now) {
      if let pollable = pollables[fd], pollable.deadline <= now { pollable.expire() }
      if let pollable = pollables[fd] { _ = timers.schedule(fd, by: pollable.deadline) }
    }
    wake(by: min(drainDeadline, timers.next))
  }

  // MARK: The end

  /// Has everything finish what it began, and closes what has not by `deadline`; `done` is called when the loop
  /// watches nothing any more.
  func drain(by deadline: Nanoseconds, done: @escaping @Sendable () -> Void) {
    assertConfined()
    isDraining = true
    drainDeadline = min(drainDeadline, deadline)
    whenEmpty.append(done)
    // The listener first: who is closed before it could come back through it.
    for case let listener as Listener in pollables { listener.drain() }
    for pollable in pollables where !(pollable is Listener) { pollable?.drain() }
    if count == 0 { becameEmpty() } else { wake(by: drainDeadline) }
  }

  /// Closes everything, the epoll set too.
  func stop() {
    assertConfined()
    guard !isStopped else { return }
    isStopped = true
    closeAll()
    source.cancel()
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

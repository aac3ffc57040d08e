import CEpoll
import Dispatch
import Glibc
import Support

/// Says when descriptors may have become ready: one epoll set, watched by one Dispatch source on a serial queue, on
/// which all subscribers live. It reports changes only (EPOLLET), so idle subscribers cost nothing.
final class Readiness: @unchecked Sendable {
  let executor = QueueExecutor(label: "local commands")
  private let set: Int32
  private let source: any DispatchSourceRead
  // Both confined to the queue.
  private var handlers: [UInt64: @Sendable () -> Void] = [:]
  private var lastID: UInt64 = 0

  /// Nil if there is no descriptor left for it.
  init?() {
    let set = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard set >= 0 else { return nil }
    self.set = set
    source = DispatchSource.makeReadSource(fileDescriptor: set, queue: executor.queue)
    source.setCancelHandler { @Sendable in _ = close(set) }
    source.setEventHandler { @Sendable [weak self] in self?.tell() }
    source.activate()
  }

  deinit { source.cancel() }

  /// Begins to call the handler whenever one of the descriptors may be ready; the number by which to end that.
  func watch(reading: [Int32], writing: [Int32], _ handler: @escaping @Sendable () -> Void) -> UInt64 {
    lastID += 1
    handlers[lastID] = handler
    for (descriptors, events) in [(reading, EPOLLIN), (writing, EPOLLOUT)] {
      for descriptor in descriptors {
        var event = epoll_event(events: events.rawValue | EPOLLET.rawValue, data: epoll_data_t(u64: lastID))
        epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event)
      }
    }
    return lastID
  }

  /// To be called before a watched descriptor is closed: until a child that is just being started has closed its copy,
  /// the kernel would go on to watch it.
  func forget(_ descriptor: Int32) { epoll_ctl(set, EPOLL_CTL_DEL, descriptor, nil) }

  func end(_ id: UInt64) { handlers[id] = nil }

  private func tell() {
    var events = [epoll_event](repeating: epoll_event(), count: 64)
    while true {
      let count = Int(epoll_wait(set, &events, Int32(events.count), 0))
      for event in events.prefix(max(0, count)) { handlers[event.data.u64]?() }
      if count < events.count { return }
    }
  }
}

import CEpoll

/// A descriptor's place in an event loop: what it listens for, and when it expires. Confined to the loop.
final class LoopRegistration {
  private let fd: Int32
  /// When ``Pollable/expire()`` is to be called, on the loop's clock; `.max` is never.
  @exclusivity(unchecked) private(set) var deadline: Nanoseconds
  private let loop: EventLoop
  @exclusivity(unchecked) private var interest = EPOLLIN.rawValue

  init(fd: Int32, loop: EventLoop, deadline: Nanoseconds) {
    self.fd = fd
    self.loop = loop
    self.deadline = deadline
  }

  /// Begins to listen for input.
  /// - Returns: false when the loop has stopped or the kernel refuses; the descriptor is still the caller's then.
  func add(_ pollable: any Pollable) -> Bool { loop.add(pollable, fd: fd, events: interest) }

  /// - Parameter events: epoll's; 0 for none.
  func listen(for events: UInt32) {
    guard events != interest else { return }
    interest = events
    loop.modify(fd: fd, events: events)
  }

  /// Listens for output no longer, and for input as before.
  func stopListeningForOutput() { listen(for: interest & EPOLLIN.rawValue) }

  func expire(at moment: Nanoseconds) {
    deadline = moment
    loop.wake(fd, by: moment)
  }

  /// Notes what is waited for that the client has to do; nil when it is nothing.
  func mark(as waiting: Waiting?) { loop.mark(fd, as: waiting) }

  /// Leaves the loop and closes the descriptor.
  func close() { loop.close(fd: fd) }
}

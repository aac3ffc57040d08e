import Glibc
import Logging
import Synchronization

/// What the connections of one loop share. Confined to the loop's queue, like they are.
final class ConnectionContext: @unchecked Sendable {
  let loop: EventLoop
  let router: Router
  let limits: Limits
  let logger: Logger
  let openConnections: ConnectionCount
  let timeouts: Timeouts
  /// Every read goes here first, so that an idle connection owns no buffer.
  let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
  /// An empty array with room, for whichever connection has something to write.
  private var spareOutput: [UInt8] = []
  private var date = HTTPDate()

  init(loop: EventLoop, router: Router, limits: Limits, logger: Logger, openConnections: ConnectionCount) {
    self.loop = loop
    self.router = router
    self.limits = limits
    self.logger = logger
    self.openConnections = openConnections
    timeouts = Timeouts(limits)
  }

  deinit { readBuffer.deallocate() }

  /// The Date field's value.
  func currentDate() -> [UInt8] { date.now() }

  func takeOutputBuffer() -> [UInt8] {
    var buffer: [UInt8] = []
    swap(&buffer, &spareOutput)
    return buffer
  }

  func giveBack(_ buffer: consuming [UInt8]) {
    guard buffer.capacity <= 262_144, buffer.capacity > spareOutput.capacity else { return }
    buffer.removeAll(keepingCapacity: true)
    spareOutput = buffer
  }
}

/// The durations among ``Limits``, in nanoseconds: every request sets a deadline, and Duration counts in 128 bits.
struct Timeouts: Sendable {
  let header: Nanoseconds
  let bodyIdle: Nanoseconds
  let keepAliveIdle: Nanoseconds
  let writeStall: Nanoseconds
  let linger: Nanoseconds
  /// While lingering, the longest wait for a client that says nothing more.
  let lingerIdle: Nanoseconds

  init(_ limits: Limits) {
    header = Nanoseconds(limits.headerDeadline)
    bodyIdle = Nanoseconds(limits.bodyIdle)
    keepAliveIdle = Nanoseconds(limits.keepAliveIdle)
    writeStall = Nanoseconds(limits.writeStall)
    linger = Nanoseconds(limits.linger)
    lingerIdle = min(linger, Nanoseconds(.seconds(2)))
  }
}

/// How many connections a server has open, over all its loops.
final class ConnectionCount: Sendable {
  private let count = Atomic<Int>(0)

  /// Counts one more.
  /// - Returns: how many there are with it.
  func increment() -> Int { count.add(1, ordering: .relaxed).newValue }
  func decrement() { count.subtract(1, ordering: .relaxed) }
}

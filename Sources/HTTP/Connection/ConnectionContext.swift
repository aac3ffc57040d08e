import Glibc
import Logging
import Synchronization

/// What the connections of one loop share. Confined to the loop's queue, like they are.
final class ConnectionContext: @unchecked Sendable {
  let loop: EventLoop
  let responder: Responder
  let limits: Limits
  let accessLog: AccessLog?
  /// See ``ServerConfiguration/sender``.
  private(set) var sender: ClientStanding.Judge?
  let logger: Logger
  let openConnections: ConnectionCount
  let requestBytes: RequestBytes
  let networks: NetworkCounts
  let timeouts: Timeouts
  /// Every read goes here first, so that an idle connection owns no buffer.
  let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
  let outputMemory = OutputMemory()
  /// A finished request, whose memory the next may use.
  @exclusivity(unchecked) var spareRequest: Request.Storage?
  @exclusivity(unchecked) private var date = HTTPDate()
  @exclusivity(unchecked) private var requestIDs = RequestIDs()

  init(
    loop: EventLoop, router: Router, configuration: ServerConfiguration, logger: Logger,
    openConnections: ConnectionCount, requestBytes: RequestBytes, networks: NetworkCounts
  ) {
    self.loop = loop
    responder = Responder(router: router, loop: loop, logger: logger)
    limits = configuration.limits
    accessLog = configuration.accessLog.map {
      AccessLog(write: $0, includesQuietRoutes: configuration.logsQuietRoutes)
    }
    sender = configuration.sender
    self.logger = logger
    self.openConnections = openConnections
    self.requestBytes = requestBytes
    self.networks = networks
    timeouts = Timeouts(limits)
  }

  deinit { readBuffer.deallocate() }

  /// See ``Server/replace(router:sender:)``.
  func replace(_ router: Router, _ sender: ClientStanding.Judge?) {
    responder.replace(router)
    self.sender = sender
  }

  /// The Date field's value.
  func currentDate() -> [UInt8] { date.now() }

  func makeRequestID() -> RequestID { requestIDs.make() }
}

/// The durations among ``Limits``, in nanoseconds: every request sets a deadline, and Duration counts in 128 bits.
struct Timeouts: Sendable {
  let header: Nanoseconds
  let bodyIdle: Nanoseconds
  let keepAliveIdle: Nanoseconds
  let writeStall: Nanoseconds
  let tunnelIdle: Nanoseconds
  let linger: Nanoseconds
  /// While lingering, the longest wait for a client that says nothing more.
  let lingerIdle: Nanoseconds
  /// Bytes a second.
  private let rate: UInt64

  init(_ limits: Limits) {
    header = Nanoseconds(limits.headerDeadline)
    bodyIdle = Nanoseconds(limits.bodyIdle)
    keepAliveIdle = Nanoseconds(limits.keepAliveIdle)
    writeStall = Nanoseconds(limits.writeStall)
    tunnelIdle = Nanoseconds(limits.tunnelIdle)
    rate = UInt64(max(0, limits.bodyRate))
    linger = Nanoseconds(limits.linger)
    lingerIdle = min(linger, Nanoseconds(.seconds(2)))
  }
}

extension Timeouts {
  /// A deadline after `count` more bytes came or went: each moves it on by the time that a byte may take, to `idle` from
  /// now at most. So neither drops nor what was fast before buy time.
  func prolonged(_ deadline: Nanoseconds, by count: Int, atMost idle: Nanoseconds) -> Nanoseconds {
    let (time, overflow) = UInt64(max(0, count)).multipliedReportingOverflow(by: 1_000_000_000)
    let isUnbound = overflow || (rate == 0 && count > 0)
    return min(.deadline(in: idle), isUnbound ? .max : deadline.advanced(by: time / max(1, rate)))
  }
}

/// How many connections a server has open, over all its loops.
final class ConnectionCount: Sendable {
  private let count = Atomic<Int>(0)

  var value: Int { count.load(ordering: .relaxed) }
  func increment() { count.add(1, ordering: .relaxed) }
  func decrement() { count.subtract(1, ordering: .relaxed) }
}

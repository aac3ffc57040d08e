import CEpoll
import Glibc
import Logging

/// The socket that connections come from; it hands them to the loops in turn.
final class Listener: Pollable, @unchecked Sendable {
  private let fd: Int32
  private let contexts: [ConnectionContext]
  private let loop: EventLoop
  private let logger: Logger
  private var next = 0
  private var isShortOfDescriptors = false
  private(set) var deadline = Nanoseconds.max

  /// How many connections are accepted before the others have their turn.
  private static let batch = 64
  /// How many connections beyond the limit get an answer that says so, rather than being closed.
  private static let refusable = 64

  /// - Parameter contexts: of all loops; the first is the listener's own.
  init(fd: Int32, first: ConnectionContext, contexts: [ConnectionContext]) {
    self.fd = fd
    self.contexts = contexts
    loop = first.loop
    logger = first.logger
  }

  /// Begins to accept.
  func start() -> Bool { loop.add(self, fd: fd, events: EPOLLIN.rawValue) }

  func ready(_ events: UInt32) {
    for _ in 0..<Self.batch {
      guard acceptOne() else { return }
    }
  }

  /// - Returns: whether there may be another.
  private func acceptOne() -> Bool {
    guard let (accepted, peer) = Socket.accept(fd) else {
      switch errno {
      case EINTR, ECONNABORTED, EPROTO, EPERM: return true
      case let number where [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(number):
        // The kernel wants a descriptor before it looks whether anybody is there.
        guard Socket.hasInput(fd) else { return false }
        if evictOldest() { return true }
        pause(number)
      default: break
      }
      return false
    }
    isShortOfDescriptors = false
    let context = contexts[next]
    next = (next + 1) % contexts.count
    context.openConnections.increment()
    if context.loop === loop {
      Self.begin(accepted, peer, context, of: contexts)
    } else {
      context.loop.perform { @Sendable [contexts] in Self.begin(accepted, peer, context, of: contexts) }
    }
    return true
  }

  /// Begins a connection that is counted already, on the loop of `context`.
  /// - Parameter moves: how often it may be handed on to the loop with the connection that goes for it.
  private static func begin(
    _ fd: Int32, _ peer: Peer, _ context: ConnectionContext, of contexts: [ConnectionContext], moves: Int = 4
  ) {
    let limit = context.limits.connections
    holdDown(peer.network, context)
    // Several may have to be closed, for those that get this answer are open too.
    while context.openConnections.value > limit {
      guard let (owner, kind) = firstToGo(contexts) else { break }
      if moves > 0, !context.loop.isDraining, owner !== context {
        owner.loop.perform { @Sendable in begin(fd, peer, owner, of: contexts, moves: moves - 1) }
        return
      }
      guard owner === context else { break }
      _ = context.loop.evictOldest(kind)
    }
    let open = context.openConnections.value
    let connection = Connection(fd: fd, peer: peer, context: context)
    guard open <= limit + refusable, connection.start() else {
      context.openConnections.decrement()
      _ = Glibc.close(fd)
      return
    }
    if open > limit {
      connection.refuse(
        HTTPError(
          .serviceUnavailable, code: "too_many_connections", "too many connections are open",
          headers: ["Retry-After": "1"]))
    } else if context.loop.isDraining {
      connection.drain()
    }
  }

  /// Once half of all connections are open, a network has at most a quarter of them, and 16, on which nobody was admitted:
  /// for one more, another of its own goes, if it waits for its client in the middle of something.
  private static func holdDown(_ network: ClientNetwork, _ context: ConnectionContext) {
    let limit = context.limits.connections
    guard context.openConnections.value > limit / 2, context.networks.count(of: network) >= max(16, limit / 4) else {
      return
    }
    for kind in [Waiting.lingering, .unfinishedHead, .stalled]
    where context.loop.evictOldest(kind, of: network) { return }
  }

  /// What has to go first when there are too many connections, and whose it is; nil when none can.
  private static func firstToGo(_ contexts: [ConnectionContext]) -> (owner: ConnectionContext, kind: Waiting)? {
    for kind in Waiting.allCases {
      var owner: ConnectionContext?
      var oldest = Nanoseconds.max
      for context in contexts {
        let since = context.loop.oldest.value(kind)
        if since < oldest { (owner, oldest) = (context, since) }
      }
      if let owner { return (owner, kind) }
    }
    return nil
  }

  /// Has a connection go that can.
  /// - Returns: whether it is gone already; another loop's will be soon.
  private func evictOldest() -> Bool {
    guard let (context, kind) = Self.firstToGo(contexts) else { return false }
    let owner = context.loop
    if owner === loop { return loop.evictOldest(kind) }
    owner.perform { @Sendable in _ = owner.evictOldest(kind) }
    return false
  }

  /// Without a free descriptor the waiting connection would make the loop spin: look again a little later.
  private func pause(_ number: Int32) {
    if !isShortOfDescriptors { logger.warning("cannot accept connections: \(ServerError.text(number))") }
    isShortOfDescriptors = true
    loop.modify(fd: fd, events: 0)
    deadline = .deadline(in: 100_000_000)
    loop.wake(fd, by: deadline)
  }

  func evict(_ waiting: Waiting) -> Bool { false }
  func isOf(_ network: ClientNetwork) -> Bool { false }

  func expire() {
    deadline = .max
    loop.modify(fd: fd, events: EPOLLIN.rawValue)
  }

  /// Those already in the queue got an answer to their connect: they get one to their request too.
  func drain() {
    for _ in 0..<SOMAXCONN {
      guard acceptOne() else { break }
    }
    close()
  }

  func close() { loop.close(fd: fd) }
}

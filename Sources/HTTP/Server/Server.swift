import CEpoll
import Dispatch
import Glibc
import Logging
import Synchronization

/// An HTTP/1.1 server (RFC 9110, RFC 9112).
///
///     let server = Server(configuration: ServerConfiguration(port: 8080), router: router, logger: logger)
///     try server.start()
///     ...
///     await server.drain(within: .seconds(30))
public final class Server: Sendable {
  private struct State {
    var loops: [EventLoop] = []
    var contexts: [ConnectionContext] = []
    var port: Int
  }

  private let configuration: ServerConfiguration
  private let router: Router
  private let logger: Logger
  private let state: Mutex<State>

  public init(configuration: ServerConfiguration, router: Router, logger: Logger) {
    self.configuration = configuration
    self.router = router
    self.logger = logger
    state = Mutex(State(port: configuration.port))
  }

  deinit {
    let loops = state.withLock { $0.loops }
    for loop in loops { loop.perform { @Sendable in loop.stop() } }
  }

  /// The port that is listened on, once started.
  public var port: Int { state.withLock { $0.port } }

  /// Binds, listens, and returns; requests are answered from then on. May be called again after an error.
  /// - Throws: ``ServerError``, which says what is wrong with the address.
  public func start() throws {
    try state.withLock { state in
      guard state.loops.isEmpty else { throw ServerError.alreadyStarted }
      let descriptors = Socket.raiseDescriptorLimit()
      let count = max(1, configuration.loops)
      let fd = try Socket.listen(address: configuration.bindAddress, port: configuration.port)
      var loops: [EventLoop] = []
      do {
        for index in 0..<count { loops.append(try EventLoop(label: "http.loop.\(index)")) }
      } catch {
        close(fd)
        for loop in loops {
          loop.start()
          loop.perform { @Sendable in loop.stop() }
        }
        throw error
      }
      state.port = Socket.port(of: fd)
      state.loops = loops
      state.contexts = listen(fd, loops, descriptors: descriptors)
    }
  }

  /// Why no server can listen on an address, whatever the port; nil when one can. Looks names up, which may take its time.
  public static func fault(ofAddress address: String) -> String? {
    do throws(ServerError) {
      close(try Socket.listen(address: address, port: 0))
      return nil
    } catch {
      if case .addressNotUsable(_, let reason) = error { return reason }
      return error.description
    }
  }

  /// Has other routes answer all requests that come from now on. Requests under way are finished by the routes that they
  /// came for; the port and the connections stay open. Returns when it is done.
  /// - Parameter sender: see ``ServerConfiguration/sender``.
  public func replace(router: Router, sender: (@Sendable (Request) -> RequestSender)? = nil) async {
    let contexts = state.withLock { $0.contexts }
    await withCheckedContinuation { continuation in
      let group = DispatchGroup()
      for context in contexts {
        group.enter()
        context.loop.perform { @Sendable in
          context.replace(router, sender)
          group.leave()
        }
      }
      group.notify(queue: .global()) { @Sendable in continuation.resume() }
    }
  }

  private func listen(_ fd: Int32, _ loops: [EventLoop], descriptors: Int) -> [ConnectionContext] {
    var configuration = configuration
    if configuration.limits.fit(descriptors) {
      logger.warning(
        "fewer connections than configured: the limit of open files (ulimit -n) is too low",
        metadata: ["connections": "\(configuration.limits.connections)", "open-files": "\(descriptors)"])
    }
    let open = ConnectionCount()
    let bytes = RequestBytes()
    let networks = NetworkCounts()
    let contexts = loops.map {
      ConnectionContext(
        loop: $0, router: router, configuration: configuration, logger: logger, openConnections: open,
        requestBytes: bytes, networks: networks)
    }
    for loop in loops { loop.start() }
    let listener = Listener(fd: fd, first: contexts[0], contexts: contexts)
    loops[0].perform { @Sendable [logger] in
      if !listener.start() { logger.critical("epoll refuses the listening socket") }
    }
    return contexts
  }

  /// Stops accepting, answers what was begun with `Connection: close`, closes idle connections at once and the rest
  /// after `limit`. Returns when all are closed; the server cannot be started again.
  public func drain(within limit: Duration) async {
    let loops = state.withLock { $0.loops }
    guard let first = loops.first else { return }
    let deadline = Nanoseconds.deadline(in: Nanoseconds(limit))
    await withCheckedContinuation { continuation in
      let group = DispatchGroup()
      for _ in loops { group.enter() }
      // The listener's loop first: what it hands to the others has to be there when they begin.
      first.perform { @Sendable in
        first.drain(by: deadline) { group.leave() }
        for loop in loops.dropFirst() {
          loop.perform { @Sendable in loop.drain(by: deadline) { group.leave() } }
        }
      }
      group.notify(queue: .global()) { @Sendable in continuation.resume() }
    }
    for loop in loops { loop.perform { @Sendable in loop.stop() } }
  }
}

import CLibSSH2
import Foundation
import Logging
import Support

extension ConnectionPool {
  /// Lets `body` use one channel of a connection, and tries again where that is certain to do no harm.
  /// - Parameter target: what a jump host leads to.
  func withConnection<T: Sendable>(
    to destination: Destination, key: PrivateKey, target: String? = nil, by deadline: ContinuousClock.Instant,
    _ body: (Connection) async throws(Interrupted) -> T
  ) async throws(SSHError) -> T {
    let route = Route(destination: destination, fingerprint: key.fingerprint, target: target)
    var lossesLeft = 1
    var refusals = 0
    while true {
      let connection = try await lease(route, key, by: deadline)
      do throws(Interrupted) {
        return try await body(connection)
      } catch {
        switch error.cause {
        case .lost where !error.started && lossesLeft > 0:
          lossesLeft -= 1
        case .lost:
          throw .disconnected(destination, started: error.started)
        case .timedOut:
          throw .timedOut(destination, started: error.started)
        case .refused(let failure) where failure.code == LIBSSH2_ERROR_CHANNEL_FAILURE && refusals < 8:
          // No free session there (MaxSessions); the pool has taken note. sshd frees one some time after its command
          // has ended, so the waits grow, to two and a half seconds in all.
          try? await Task.sleep(for: .milliseconds(10 << refusals))
          refusals += 1
        case .refused(let failure):
          throw .unreachable(destination, reason: "sshd refuses to open a session (\(failure.message))")
        case .notBegun(let reason):
          throw .loginFiles(destination, reason: reason)
        case .flooded:
          throw .flooded(destination)
        case .file(let path, let reason):
          throw .sftp(path: "\(path) on \(destination)", reason: reason)
        }
      }
    }
  }

  /// A connection with a channel set aside. The connection gives it back by itself.
  private func lease(
    _ route: Route, _ key: PrivateKey, by deadline: ContinuousClock.Instant
  ) async throws(SSHError) -> Connection {
    let admission = state.withLock { $0.admit(route, key, configuration) }
    switch admission {
    case .granted(let connection): return connection
    case .denied(let error): throw error
    case .wait: return try await wait(route, key, by: deadline)
    }
  }

  private func wait(
    _ route: Route, _ key: PrivateKey, by deadline: ContinuousClock.Instant
  ) async throws(SSHError) -> Connection {
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    let expiry = Task {
      try await Task.sleep(until: deadline, clock: .continuous)
      giveUp(route, id)
    }
    defer { expiry.cancel() }
    let result: Result<Connection, SSHError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let connect = state.withLock { state in
          // Things may have changed since; and who was cancelled before this must not begin to wait.
          let admission = state.admit(route, key, configuration)
          switch admission {
          case .granted(let connection): continuation.resume(returning: .success(connection))
          case .denied(let error): continuation.resume(returning: .failure(error))
          case .wait where Task.isCancelled:
            continuation.resume(returning: .failure(.timedOut(route.destination, started: false)))
          case .wait: state.lanes[route]?.enqueue(Lane.Waiter(id: id, continuation: continuation))
          }
          return state.beginConnecting(route)
        }
        if connect { connectInBackground(route, key) }
      }
    } onCancel: {
      giveUp(route, id)
    }
    return try result.get()
  }

  private func giveUp(_ route: Route, _ id: UInt64) {
    state.withLock { state in
      guard let waiter = state.lanes[route]?.dequeue(id) else { return }
      let hasConnection = state.lanes[route]?.links.isEmpty == false
      waiter.continuation.resume(
        returning: .failure(hasConnection ? .busy(route.destination) : .timedOut(route.destination, started: false)))
    }
  }

  // MARK: Connecting

  private func connectInBackground(_ route: Route, _ key: PrivateKey) {
    Task {
      let knownHosts = FileStamp(path: hostKeys.path)
      do throws(SSHError) {
        let connection = try await Connection.open(
          to: route.destination, key: key, hostKeys: hostKeys, configuration: configuration, logger: logger,
          dial: { () throws(SSHError) in try await self.dial(route.destination) })
        await connected(route, key, connection)
      } catch {
        failed(route, key, error, knownHosts)
      }
    }
  }

  private func connected(_ route: Route, _ key: PrivateKey, _ connection: Connection) async {
    await connection.attach { [weak self] connection, event in self?.handle(event, of: connection, route, key) }
    let (isClosed, outage, trouble) = state.withLock { state in
      state.counters.logins += 1
      let trouble = state.hostKeyTroubles.removeValue(forKey: route.destination.endpoint)
      return (state.isClosed, state.lanes[route]?.connected(connection), trouble)
    }
    guard !isClosed else { return await connection.close() }
    // It may have broken before it was in the lane, where its report found nothing to remove.
    if let reason = await connection.lost { return handle(.lost(reason: reason), of: connection, route, key) }
    if let (since, attempts) = outage.map({ ($0.since, $0.attempts) }) ?? trouble.map({ ($0.since, $0.attempts) }) {
      logger.notice(
        "SSH to \(route) works again",
        metadata: ["after": "\(Int(-since.timeIntervalSinceNow)) s", "attempts": "\(attempts)"])
    } else {
      logger.info("SSH to \(route) connected")
    }
    serve(route, key)
    serveSiblings(of: route, key)
  }

  /// - Parameter knownHosts: the stamp of the known hosts file before the attempt.
  private func failed(_ route: Route, _ key: PrivateKey, _ error: SSHError, _ knownHosts: FileStamp) {
    defer { serveSiblings(of: route, key) }
    let isNews = state.withLock { state in
      if error.isAboutHostKey { return hostKeyRefused(route, error, knownHosts, &state) }
      guard case .loginRefused = error else { return state.lanes[route]?.failed(error) == true }
      state.counters.refusedLogins += 1
      state.hostKeyTroubles[route.destination.endpoint] = nil  // The key was checked before.
      state.lanes[route]?.refuse(error)
      return true
    }
    guard isNews else { return }
    if error.isAboutHostKey { logger.error("\(error)") } else { logger.warning("\(error)") }
  }

  /// Whether this is news.
  private func hostKeyRefused(
    _ route: Route, _ error: SSHError, _ knownHosts: FileStamp, _ state: inout State
  ) -> Bool {
    let endpoint = route.destination.endpoint
    state.lanes[route]?.giveUp(error)
    if let isNews = state.hostKeyTroubles[endpoint]?.goOn(error, judgedBy: knownHosts) { return isNews }
    state.hostKeyTroubles[endpoint] = HostKeyTrouble(
      error, pause: configuration.hostKeyPause, path: hostKeys.path, judgedBy: knownHosts)
    return true
  }

  // MARK: Events

  /// Gives what is free to those who wait, and makes a connection if that was not enough.
  private func serve(_ route: Route, _ key: PrivateKey) {
    let connect = state.withLock { state in
      let barrier = state.barrier(before: route)
      state.lanes[route]?.serve(barrier: barrier)
      return state.beginConnecting(route)
    }
    if connect { connectInBackground(route, key) }
  }

  /// Those who have waited for how the first login at a jump host ends.
  private func serveSiblings(of route: Route, _ key: PrivateKey) {
    guard route.target != nil else { return }
    for sibling in state.withLock({ $0.siblings(of: route) }) { serve(sibling, key) }
  }

  private func handle(_ event: Connection.Event, of connection: Connection, _ route: Route, _ key: PrivateKey) {
    switch event {
    case .released:
      state.withLock { $0.lanes[route]?.release(connection) }
    case .refused:
      let isUseful = state.withLock { $0.lanes[route]?.limit(connection) ?? true }
      if !isUseful { Task { await connection.close() } }
    case .retired:
      _ = state.withLock { $0.lanes[route]?.remove(connection) }
    case .lost(let reason):
      let wasOurs = state.withLock { state in
        guard state.lanes[route]?.remove(connection) == true, !state.isClosed else { return false }
        state.counters.connectionsLost += 1
        return true
      }
      if wasOurs { logger.notice("SSH to \(route) lost: \(reason)") }
    case .tick:
      guard state.withLock({ $0.lanes[route]?.removeIfIdle(connection) == true }) else { return }
      Task { await connection.close() }
    }
    serve(route, key)
  }
}

extension ConnectionPool.State {
  /// What a newcomer gets; the lane is made if it is missing.
  fileprivate mutating func admit(
    _ route: ConnectionPool.Route, _ key: PrivateKey, _ configuration: PoolConfiguration
  ) -> Lane.Admission {
    guard !isClosed else { return .denied(ConnectionPool.closed(route.destination)) }
    let barrier = barrier(before: route)
    return lanes[route, default: Lane(key: key, configuration: configuration)]
      .admit(to: route.destination, barrier: barrier)
  }

  /// Whether a connection shall be made now; who asks must make it.
  fileprivate mutating func beginConnecting(_ route: ConnectionPool.Route) -> Bool {
    let barrier = barrier(before: route)
    guard !isClosed, !isFirstLoginUnderWay(route), lanes[route]?.beginConnecting(barrier: barrier) == true else {
      return false
    }
    hostKeyTroubles[route.destination.endpoint]?.beginAttempt()
    return true
  }

  /// Why nobody may connect to the host now, if that is so.
  fileprivate func barrier(before route: ConnectionPool.Route) -> SSHError? {
    if route.target != nil, let refusal = siblings(of: route).lazy.compactMap({ lanes[$0]?.refusal }).first {
      return refusal.error
    }
    guard !hostKeyTroubles.isEmpty, let trouble = hostKeyTroubles[route.destination.endpoint], !trouble.isOver else {
      return nil
    }
    return trouble.error
  }

  /// The same account and key at the same jump host, for other targets.
  fileprivate func siblings(of route: ConnectionPool.Route) -> [ConnectionPool.Route] {
    lanes.keys.filter { other in
      other != route && other.target != nil && other.destination == route.destination
        && other.fingerprint == route.fingerprint
    }
  }

  /// A key that a jump host refuses is to be refused once, and not for each host behind it: so the first one goes alone.
  private func isFirstLoginUnderWay(_ route: ConnectionPool.Route) -> Bool {
    guard route.target != nil, lanes[route]?.logins == 0 else { return false }
    let siblings = siblings(of: route).compactMap { lanes[$0] }
    return siblings.contains(where: \.isConnecting) && siblings.allSatisfy { $0.logins == 0 }
  }
}

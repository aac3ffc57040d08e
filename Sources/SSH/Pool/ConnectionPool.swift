import Logging
import Shell
import Support
import Synchronization

/// Runs commands and moves files over SSH connections that it keeps warm.
///
/// One connection per destination, made when it is first needed; a second and a third only while all channels of the
/// first are taken. After a failed attempt calls fail at once until a pause has ended, which grows with each failure.
/// After a refused login nothing is tried until ``retryLogins()``, or with another key. After a refused host key one
/// attempt a minute is made on behalf of all accounts there, and one at once when the known hosts file has changed.
///
/// ```swift
/// let pool = ConnectionPool(hostKeys: .knownHosts(path: "/etc/ssh/ssh_known_hosts"), logger: logger)
/// let output = try await pool.run("hostname", on: destination, key: key, timeout: .seconds(10))
/// ```
public final class ConnectionPool: Sendable {
  /// For how long a server may leave unacknowledged what was sent to it, before the connection is given up (tcp(7),
  /// TCP_USER_TIMEOUT): what a broken network holds back is delivered within that time or never.
  public static let longestSilence = Duration.seconds(10)

  struct Route: Hashable {
    let destination: Destination
    let fingerprint: String
    /// The ``Destination/endpoint`` that connections are made to by way of this one, if it is a jump host for that.
    var target: String?
  }

  struct State {
    var lanes: [Route: Lane] = [:]
    /// By ``Destination/endpoint``.
    var hostKeyTroubles: [String: HostKeyTrouble] = [:]
    var counters = PoolCounters()
    var lastID: UInt64 = 0
    var isClosed = false
  }

  let hostKeys: HostKeyPolicy
  let configuration: PoolConfiguration
  /// Where the pool logs, and who runs commands by it too.
  public let logger: Logger
  let state = Mutex(State())

  public init(hostKeys: HostKeyPolicy, configuration: PoolConfiguration = .init(), logger: Logger) {
    self.hostKeys = hostKeys
    self.configuration = configuration
    self.logger = logger
  }

  /// Runs a command to its end. How it ended is in the result; errors say that this is not known.
  ///
  /// A command that certainly was not started is tried once more on another connection; any other never is.
  /// - Parameters:
  ///   - script: POSIX shell text. A clean `/bin/sh` runs it when the account's login files have ended; see ``CleanShell``.
  ///   - inKeptShell: whether it may go to a shell that is kept for such commands on the connection, which costs far less
  ///     than a channel, and runs it in a subshell. Such a command must not leave anything behind that still writes to its
  ///     output; it is taken to be ended by signal n if its exit status is 128 + n; and with it ends, when the time is up,
  ///     all of its process group.
  ///   - stdin: the command's standard input, followed by end of file.
  ///   - timeout: time for all of it, waiting for a connection included. After that, and when the calling task is
  ///     cancelled, the command's channel is closed; most commands end from that, but none must.
  public func run(
    _ script: String, inKeptShell: Bool = false, on destination: Destination, key: PrivateKey, stdin: [UInt8] = [],
    limits: OutputLimits = .init(), timeout: Duration
  ) async throws(SSHError) -> CommandOutput {
    let deadline = ContinuousClock.Instant.after(timeout)
    return try await counted { () throws(SSHError) in
      try await withConnection(to: destination, key: key, by: deadline) { connection throws(Interrupted) in
        try await connection.run(script, inKeptShell: inKeptShell, stdin: stdin, limits: limits, by: deadline)
      }
    }
  }

  /// All destinations that were ever asked for, in no order.
  public func status() -> [DestinationStatus] {
    state.withLock { state in
      // Of the keys for one destination the one used last counts: the others were replaced.
      var latest: [Destination: (route: Route, lane: Lane)] = [:]
      for (route, lane) in state.lanes
      where latest[route.destination].map({ $0.lane.lastUsed < lane.lastUsed }) ?? true {
        latest[route.destination] = (route, lane)
      }
      return latest.values.map { route, lane in
        lane.status(of: route, hostKey: state.hostKeyTroubles[route.destination.endpoint])
      }
    }
  }

  /// What has happened since the pool was made.
  public var counters: PoolCounters { state.withLock(\.counters) }

  /// Forgets refused logins, host keys and pauses: something was changed, and the next call tries again.
  public func retryLogins() {
    state.withLock { state in
      state.hostKeyTroubles = [:]
      for route in state.lanes.keys { state.lanes[route]?.forgetFailures() }
    }
  }

  /// Ends all connections, interrupts what runs, and fails every call from now on.
  public func close() async {
    let connections = state.withLock { state in
      state.isClosed = true
      for (route, lane) in state.lanes where !lane.queue.isEmpty {
        state.lanes[route]?.failAll(Self.closed(route.destination))
      }
      return state.lanes.values.flatMap { $0.links.map(\.connection) }
    }
    for connection in connections { await connection.close() }
  }

  static func closed(_ destination: Destination) -> SSHError {
    .unreachable(destination, reason: "the service is shutting down")
  }
}

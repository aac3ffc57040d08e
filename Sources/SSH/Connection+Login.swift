import CLibSSH2
import Logging

extension Connection {
  /// Connects, checks the host's key and logs in.
  /// - Parameter dial: makes the connected, non-blocking socket.
  static func open(
    to destination: Destination, key: PrivateKey, hostKeys: HostKeyPolicy, configuration: PoolConfiguration,
    logger: Logger, dial: () async throws(SSHError) -> Int32
  ) async throws(SSHError) -> Connection {
    var deadline = ContinuousClock.Instant.after(configuration.connectTimeout)
    // Before the host is troubled: without a file to judge its key by there is no reason to.
    let algorithms = try hostKeys.algorithms(for: destination)
    let socket = try await dial()
    if destination.via != nil { deadline = .after(configuration.connectTimeout) }  // That was another login.
    let made = Connection(
      socket: socket, destination: destination, keepalive: configuration.keepalive,
      capacity: configuration.channelsPerConnection)
    guard let connection = made else { throw .unreachable(destination, reason: "libssh2 cannot be initialised") }
    do {
      let hostKey = try await connection.shakeHands(algorithms, by: deadline)
      // Before anything is said about who logs in.
      try hostKeys.check(hostKey, of: destination, logger: logger)
      try await connection.logIn(with: key, by: deadline)
    } catch {
      await connection.close()
      throw error
    }
    return connection
  }

  /// Agrees on keys, and gives the one of the host.
  private func shakeHands(
    _ hostKeyAlgorithms: [String], by deadline: ContinuousClock.Instant
  ) async throws(SSHError) -> [UInt8] {
    do throws(Interruption) {
      _ = try attempt { () throws(Session.Failure) in try session.prefer(hostKeyAlgorithms: hostKeyAlgorithms) }
      try await eventually(by: deadline) { () throws(Session.Failure) in try session.handshake() }
      return session.hostKey
    } catch {
      throw .unreachable(destination, reason: Self.reason(of: error, during: "the SSH handshake"))
    }
  }

  private func logIn(with key: PrivateKey, by deadline: ContinuousClock.Instant) async throws(SSHError) {
    do throws(Interruption) {
      try await eventually(by: deadline) { () throws(Session.Failure) in try session.logIn(destination.user, key) }
    } catch {
      if case .refused = error {
        throw .loginRefused(
          destination,
          reason: "the key \(key) is not accepted there; add its public key to authorized_keys of \(destination.user)"
            + " and see sshd's log on the server")
      }
      throw .unreachable(destination, reason: Self.reason(of: error, during: "the login"))
    }
  }

  private static func reason(of interruption: Interruption, during phase: String) -> String {
    switch interruption {
    case .timedOut: "no answer in time during \(phase)"
    case .lost(let reason): "\(phase) failed (\(reason))"
    case .refused(let failure): "\(phase) failed (\(failure.message))"
    case .file(_, let reason): "\(phase) failed (\(reason))"
    }
  }
}

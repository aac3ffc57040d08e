import CLibSSH2
import Logging
import Support

extension Connection {
  /// Connects, checks the host's key and logs in.
  /// - Parameter dial: makes the connected, non-blocking socket.
  static func open(
    to destination: Destination, key: PrivateKey, hostKeys: HostKeyPolicy, configuration: PoolConfiguration,
    logger: Logger, dial: () async throws(SSHError) -> Int32
  ) async throws(SSHError) -> Connection {
    var deadline = ContinuousClock.Instant.after(configuration.connectTimeout)
    // Before connecting: without a file to check its key with there is no reason to.
    let algorithms = try hostKeys.algorithms(for: destination)
    let socket = try await dial()
    if destination.via != nil { deadline = .after(configuration.connectTimeout) }  // That was another login.
    let made = Connection(
      socket: socket, destination: destination, keepalive: configuration.keepalive,
      capacity: configuration.channelsPerConnection)
    guard let connection = made else { throw .unreachable(destination, reason: "libssh2 cannot be initialised") }
    do {
      let hostKey = try await connection.shakeHands(algorithms, by: deadline)
      // Before the account's name is sent.
      try hostKeys.check(hostKey, of: destination, logger: logger)
      try await connection.logIn(with: key, retryHint: configuration.retryHint, by: deadline)
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

  private func logIn(
    with key: PrivateKey, retryHint: String, by deadline: ContinuousClock.Instant
  ) async throws(SSHError) {
    do throws(Interruption) {
      try await eventually(by: deadline) { () throws(Session.Failure) in try session.logIn(destination.user, key) }
    } catch {
      if case .refused(let failure) = error, failure.isUnread {
        throw .unreachable(
          destination,
          reason: "libssh2 \(Session.libssh2Version) cannot read the server's answer to the login (\(failure.message));"
            + " the usual cause is a login banner of more than 32 KiB: shorten the file that Banner names in its sshd_config"
        )
      }
      if case .refused(let failure) = error {
        let reason = await refusal(of: key, failure, by: deadline)
        throw .loginRefused(destination, reason: retryHint.isEmpty ? reason : "\(reason); \(retryHint)")
      }
      throw .unreachable(destination, reason: Self.reason(of: error, during: "the login"))
    }
  }

  /// Why a key is refused: servers may want more than a key, or none at all.
  private func refusal(of key: PrivateKey, _ failure: Session.Failure, by deadline: ContinuousClock.Instant) async
    -> String
  {
    var methods = ""
    do throws(Interruption) {
      methods = try await eventually(by: deadline) { () throws(Session.Failure) in
        try session.loginMethods(destination.user)
      }
    } catch {}  // The server may end the connection instead.
    let names = LogText.line(methods.replacing(",", with: ", "), limit: 200)
    let takesKeys = methods.split(separator: ",").contains("publickey")
    if failure.code == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED, !names.isEmpty {
      return
        "the key \(key) is accepted, but the server requires another login step (\(names)), which Weir cannot do;"
        + " set `AuthenticationMethods publickey` for \(destination.user) in its sshd_config"
    }
    if !takesKeys, !names.isEmpty {
      return
        "the server accepts no public keys for \(destination.user), only \(names); set `PubkeyAuthentication yes` in its"
        + " sshd_config"
    }
    return "the server does not accept the key \(key); add its public key to authorized_keys of \(destination.user)"
      + " and see sshd's log on the server"
  }

  private static func reason(of interruption: Interruption, during phase: String) -> String {
    switch interruption {
    case .timedOut: "no answer in time during \(phase)"
    case .lost(let reason): "\(phase) failed (\(reason))"
    case .refused(let failure): "\(phase) failed (\(failure.message))"
    case .file(_, let reason), .notBegun(let reason): "\(phase) failed (\(reason))"
    case .flooded: "\(phase) failed (too much output)"
    }
  }
}

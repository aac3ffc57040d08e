import Support

extension ConnectionPool {
  /// A connected, non-blocking socket to a host's sshd.
  func dial(_ destination: Destination) async throws(SSHError) -> Int32 {
    let outcome: Result<Int32, Dialer.Failure>
    if let jump = destination.via {
      outcome = try await tunnel(to: destination, by: jump)
    } else {
      outcome = await Dialer.dial(
        host: destination.host, port: destination.port, timeout: configuration.connectTimeout)
    }
    do {
      return try outcome.get()
    } catch {
      throw .unreachable(destination, reason: error.reason)
    }
  }

  private func tunnel(
    to destination: Destination, by jump: JumpHost
  ) async throws(SSHError) -> Result<Int32, Dialer.Failure> {
    let timeout = configuration.connectTimeout
    do throws(SSHError) {
      return try await withConnection(
        to: jump.destination, key: jump.key, target: destination.endpoint, by: .after(timeout * 2)
      ) { connection throws(Interrupted) in
        try await connection.tunnel(to: destination.host, port: destination.port, by: .after(timeout))
      }
    } catch {
      switch error {
      case .timedOut: return .failure(Dialer.Failure(reason: "no answer in time through the jump host"))
      default: return .failure(Dialer.Failure(reason: "\(error)"))
      }
    }
  }
}

extension ConnectionPool.Route: CustomStringConvertible {
  var description: String { target.map { "\(destination) (on the way to \($0))" } ?? "\(destination)" }
}

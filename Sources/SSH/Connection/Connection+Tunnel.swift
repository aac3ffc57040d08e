import Glibc
import Support

extension Connection {
  /// A non-blocking socket that is connected with a port of another host, which is reached from this one. The inner
  /// failure is that host's. The channel is in use until either side closes the connection.
  func tunnel(
    to host: String, port: Int, by deadline: ContinuousClock.Instant
  ) async throws(Interrupted) -> Result<Int32, Dialer.Failure> {
    let channel: Session.Channel
    do throws(Interrupted) {
      channel = try await start(.connection(host: host, port: port), by: deadline)
    } catch {
      guard case .refused(let failure) = error.cause else { throw error }
      return .failure(Dialer.Failure(reason: "\(destination) cannot connect to it (\(failure.message))"))
    }
    var ends: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      let reason = SystemError.text()
      discard(channel)
      return .failure(Dialer.Failure(reason: reason))
    }
    let descriptor = ends[0]
    let near = Wire(descriptor: descriptor, queue: executor.queue)
    tunnels[descriptor] = near
    near.activate(
      onReadable: { [weak self] in self?.assumeIsolated { $0.tunnelMoved(descriptor) { $0.becameReadable() } } },
      onWritable: { [weak self] in self?.assumeIsolated { $0.tunnelMoved(descriptor) { $0.flush() } } })
    Task { await carry(channel, descriptor) }
    return .success(ends[1])
  }

  private func tunnelMoved(_ descriptor: Int32, _ take: (Wire) -> Void) {
    guard let near = tunnels[descriptor] else { return }
    take(near)
    wakeAll()
  }

  /// Hands on what comes at either end until one of them is closed, and no faster than the other end takes it.
  private func carry(_ channel: Session.Channel, _ descriptor: Int32) async {
    guard let near = tunnels[descriptor] else { return }
    var outward: [UInt8] = []
    var written = 0
    do throws(Interruption) {
      while true {
        var hasMoved = false
        if !near.isCongested {
          hasMoved = try read(.stdout, of: channel) { near.append($0) }
          near.flush()
        }
        if written == outward.count { (outward, written) = (near.takeReceived(), 0) }
        let count = try write(outward, from: written, to: channel)
        written += count
        if hasMoved || count > 0 {
          wire.flush()
          await Task.yield()
          continue
        }
        if session.isAtEnd(channel) && near.isFlushed || near.isAtEnd && written == outward.count { break }
        try await wait(until: .after(.seconds(Int32.max)))
      }
    } catch {}  // Lost.
    tunnels[descriptor] = nil
    near.close()
    discard(channel)
  }
}

import Shell
import Support

extension Connection {
  /// Runs a command to its end and hands its standard output on. The inner failure is that of a closure.
  func stream(
    _ script: String, input: CommandInput, limit: Int, by deadline: ContinuousClock.Instant,
    _ onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws(Interrupted) -> Result<CommandOutput, any Error> {
    try await withCommand(script, by: deadline) { connection, channel, mark throws(Interruption) in
      try await connection.attended(
        channel, by: deadline,
        [
          { try await connection.handOn(from: channel, mark, limit, by: deadline, onOutput) },
          {
            try await connection.feed(input, to: channel, by: deadline)
            return nil
          },
        ])
    }
  }

  /// Does what closures of the caller's have a part in until one of it has a result. They may take any time, so
  /// meanwhile somebody listens: the server gets its answers, and a lost connection or a missed deadline is noticed and
  /// cancels them. The inner failure is that of a closure.
  func attended<T: Sendable>(
    _ channel: Session.Channel, by deadline: ContinuousClock.Instant, _ activities: [@Sendable () async throws -> T?]
  ) async throws(Interruption) -> Result<T, any Error> {
    let attendant: @Sendable () async throws -> T? = {
      try await self.attend(channel, by: deadline)
      return nil
    }
    do {
      guard let result = try await firstResult(of: activities + [attendant]) else { throw Interruption.timedOut }
      return .success(result)
    } catch let error as Interruption {
      throw error
    } catch {
      try check(deadline)  // If it was cancelled, that is why.
      return .failure(error)
    }
  }

  private func attend(_ channel: Session.Channel, by deadline: ContinuousClock.Instant) async throws(Interruption) {
    while true {
      _ = try attempt { () throws(Session.Failure) in try session.listen(on: channel) }
      try await wait(until: deadline)
    }
  }

  private func handOn(
    from channel: Session.Channel, _ mark: CommandMark, _ limit: Int, by deadline: ContinuousClock.Instant,
    _ onOutput: @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandOutput {
    var stderr = LimitedBytes(limit: limit)
    while true {
      try check(deadline)
      var output: [UInt8] = []
      _ = try read(.stdout, of: channel) { output.append(contentsOf: $0) }
      let readErr = try read(.stderr, of: channel) { stderr.append($0) }
      guard stderr.dropped <= OutputLimits.dropped else { throw Interruption.flooded }
      if !output.isEmpty {
        wire.flush()
        try await onOutput(output)
      } else if readErr {
        wire.flush()
        await Task.yield()
      } else if try isClosed(channel) {
        break
      } else {
        try await wait(until: deadline)
      }
    }
    let signal = session.exitSignal(of: channel)
    return CommandOutput(
      exitStatus: signal == nil ? session.exitStatus(of: channel) : nil, exitSignal: signal,
      stdout: [], stderr: own(stderr.bytes, after: mark), stdoutTruncated: false, stderrTruncated: stderr.truncated)
  }

  private func feed(
    _ input: CommandInput, to channel: Session.Channel, by deadline: ContinuousClock.Instant
  ) async throws {
    switch input {
    case .open: return
    case .bytes(let bytes): try await sendAll(bytes, to: channel, by: deadline)
    case .chunks(let next):
      while let bytes = try await next() { try await sendAll(bytes, to: channel, by: deadline) }
    }
    try await eventually(by: deadline) { () throws(Session.Failure) in try session.sendEnd(to: channel) }
    wire.flush()
  }
}

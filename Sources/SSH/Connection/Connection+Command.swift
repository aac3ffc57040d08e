import Shell

extension Connection {
  /// Runs a script to its end, in a kept shell where that is wanted and there is one.
  func run(
    _ script: String, inKeptShell: Bool, stdin: [UInt8], limits: OutputLimits, by deadline: ContinuousClock.Instant
  ) async throws(Interrupted) -> CommandOutput {
    if inKeptShell, nextShell <= .now, let request = ShellRequest(script, stdin: stdin),
      let output = try await runInShell(request, limits: limits, by: deadline)
    {
      return output
    }
    return try await withCommand(script, by: deadline) { connection, channel, mark throws(Interruption) in
      try await connection.exchange(on: channel, mark, stdin: stdin, limits: limits, by: deadline)
    }
  }

  private func exchange(
    on channel: Session.Channel, _ mark: CommandMark, stdin: [UInt8], limits: OutputLimits,
    by deadline: ContinuousClock.Instant
  ) async throws(Interruption) -> CommandOutput {
    var stdout = LimitedBytes(limit: limits.stdout)
    var stderr = LimitedBytes(limit: limits.stderr)
    var written = 0
    var endSent = false
    while true {
      try check(deadline)
      let readOut = try read(.stdout, of: channel) { stdout.append($0) }
      let readErr = try read(.stderr, of: channel) { stderr.append($0) }
      if try isClosed(channel) { break }
      guard stdout.dropped + stderr.dropped <= OutputLimits.dropped else { throw .flooded }
      if !endSent {
        written += try write(stdin, from: written, to: channel)
        if written == stdin.count {
          endSent = try attempt { () throws(Session.Failure) in try session.sendEnd(to: channel) } != nil
        }
      }
      if readOut || readErr {
        wire.flush()
        await Task.yield()  // A command that never stops talking must not keep the others from being heard.
      } else {
        try await wait(until: deadline)
      }
    }
    let signal = session.exitSignal(of: channel)
    return CommandOutput(
      exitStatus: signal == nil ? session.exitStatus(of: channel) : nil, exitSignal: signal,
      stdout: stdout.bytes, stderr: own(stderr.bytes, after: mark),
      stdoutTruncated: stdout.truncated, stderrTruncated: stderr.truncated)
  }

  /// Reads what has come, up to some bound. Whether there was anything.
  func read(
    _ stream: Session.Stream, of channel: Session.Channel, _ consume: (UnsafeRawBufferPointer) -> Void
  ) throws(Interruption) -> Bool {
    for pass in 0..<16 {
      let bytes = try attempt { () throws(Session.Failure) in try session.read(stream, of: channel) }
      guard let bytes, !bytes.isEmpty else { return pass > 0 }
      consume(bytes)
    }
    return true
  }

  /// Writes what the server's window and our own patience allow; how many bytes that was.
  func write(_ bytes: [UInt8], from start: Int, to channel: Session.Channel) throws(Interruption) -> Int {
    var position = start
    while position < bytes.count {
      if wire.isCongested { wire.flush() }
      if wire.isCongested { break }  // There will be an event when it no longer is.
      let count = try attempt { () throws(Session.Failure) in
        try bytes.withUnsafeBufferPointer { bytes throws(Session.Failure) in
          try session.write(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[position...])), to: channel)
        }
      }
      guard let count, count > 0 else { break }
      position += count
    }
    return position - start
  }

  /// Whether the server has closed the channel and all it sent was read. The exit status comes before that, but may
  /// come after the end of the output.
  func isClosed(_ channel: Session.Channel) throws(Interruption) -> Bool {
    guard session.isAtEnd(channel) else { return false }
    return try attempt { () throws(Session.Failure) in try session.waitClosed(channel) } != nil
  }
}

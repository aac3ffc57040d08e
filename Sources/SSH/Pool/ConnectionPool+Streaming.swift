import Shell
import Support

extension ConnectionPool {
  /// Runs a command to its end on a channel of its own, and passes its standard output on as it arrives.
  ///
  /// Whatever comes and goes, little of it is kept: while a closure takes its time, the command waits, and nobody else
  /// on the connection does. Throws an ``SSHError``, or what one of the closures has thrown. A call that ends before
  /// its command closes the channel, and with it the command's standard input; most commands end from that.
  /// - Parameters:
  ///   - script: POSIX shell text; see ``CleanShell``.
  ///   - input: the command's standard input.
  ///   - limit: bytes of standard error that are kept.
  ///   - timeout: time for all of it; nil for any. A loss of the connection is noticed in any case; see
  ///     ``PoolConfiguration/keepalive``.
  ///   - onOutput: gets the next bytes of standard output. It must end when its task is cancelled, which happens when
  ///     the connection is lost or the time is up.
  /// - Returns: how the command ended, with its standard error and no standard output.
  public func stream(
    _ script: String, on destination: Destination, key: PrivateKey, input: CommandInput = .bytes([]),
    limit: Int = OutputLimits().stderr, timeout: Duration? = nil,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandOutput {
    let (start, end) = deadlines(timeout)
    let ended = try await counted { () throws(SSHError) in
      try await withConnection(to: destination, key: key, by: start) { connection throws(Interrupted) in
        try await connection.stream(script, input: input, limit: limit, by: end, onOutput)
      }
    }
    return try ended.get()
  }

  // MARK: Files

  /// Writes a file by SFTP. It appears in one step, complete, in the place of the one that was there.
  ///
  /// Throws an ``SSHError``, or what the closure has thrown.
  /// - Parameters:
  ///   - chunks: gives the next bytes, nil at the end. It must end when its task is cancelled.
  ///   - path: absolute, or relative to the account's home.
  ///   - mode: the permission bits, 0o600 for example.
  ///   - timeout: time for all of it; nil for any.
  public func upload(
    from chunks: @escaping @Sendable () async throws -> [UInt8]?, to path: String, mode: Int32,
    on destination: Destination, key: PrivateKey, timeout: Duration? = nil
  ) async throws {
    let (start, end) = deadlines(timeout)
    let count = try await audited("put", path, on: destination) { () throws(SSHError) in
      try await withConnection(to: destination, key: key, by: start) { connection throws(Interrupted) in
        try await connection.upload(from: chunks, to: path, mode: UInt32(mode & 0o7777), by: end)
      }
    }
    _ = try count.get()
  }

  /// Writes a file whose bytes are all there.
  public func upload(
    _ bytes: [UInt8], to path: String, mode: Int32, on destination: Destination, key: PrivateKey, timeout: Duration
  ) async throws(SSHError) {
    let chunks = Chunks(bytes)
    do {
      try await upload(from: { chunks.next() }, to: path, mode: mode, on: destination, key: key, timeout: timeout)
    } catch {
      throw error as? SSHError ?? .sftp(path: path, reason: "\(error)")
    }
  }

  /// Reads a file by SFTP and passes it on as it arrives.
  ///
  /// Throws an ``SSHError``, or what the closure has thrown.
  /// - Parameters:
  ///   - path: absolute, or relative to the account's home.
  ///   - limit: the most bytes to read; a larger file is an error.
  ///   - timeout: time for all of it; nil for any.
  ///   - onOutput: gets the next bytes. It must end when its task is cancelled.
  public func download(
    _ path: String, limit: Int = .max, on destination: Destination, key: PrivateKey, timeout: Duration? = nil,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let (start, end) = deadlines(timeout)
    let count = try await audited("get", path, on: destination) { () throws(SSHError) in
      try await withConnection(to: destination, key: key, by: start) { connection throws(Interrupted) in
        try await connection.download(path, limit: limit, by: end, onOutput)
      }
    }
    _ = try count.get()
  }

  /// Reads a file whole.
  public func download(
    _ path: String, limit: Int, on destination: Destination, key: PrivateKey, timeout: Duration
  ) async throws(SSHError) -> [UInt8] {
    let kept = KeptBytes(limit: limit)
    do {
      try await download(path, limit: limit, on: destination, key: key, timeout: timeout) { kept.append($0) }
    } catch {
      throw error as? SSHError ?? .sftp(path: path, reason: "\(error)")
    }
    return kept.value.bytes
  }

  // MARK: Parts

  /// Counts a command that has run, or may have.
  func counted<T>(_ body: () async throws(SSHError) -> T) async throws(SSHError) -> T {
    do throws(SSHError) {
      let result = try await body()
      state.withLock { $0.counters.commands += 1 }
      return result
    } catch {
      if error.mayHaveRun { state.withLock { $0.counters.commands += 1 } }
      throw error
    }
  }

  /// By when a call must have a channel, and by when it must have ended. A call without a time limit still has one for
  /// its begin.
  private func deadlines(_ timeout: Duration?) -> (start: ContinuousClock.Instant, end: ContinuousClock.Instant) {
    let end = ContinuousClock.Instant.after(timeout ?? .seconds(Int64.max))
    return (min(end, .after(configuration.connectTimeout * 3)), end)
  }
}

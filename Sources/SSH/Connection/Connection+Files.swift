import CLibSSH2

extension Connection {
  /// Writes a file under a temporary name and gives it its own when it is complete, so that nobody ever sees a part.
  /// The number of bytes; the inner failure is that of the closure.
  func upload(
    from chunks: @escaping @Sendable () async throws -> [UInt8]?, to path: String, mode: UInt32,
    by deadline: ContinuousClock.Instant
  ) async throws(Interrupted) -> Result<Int, any Error> {
    try await withTransfer(path, by: deadline) { connection, transfer in
      try await connection.put(chunks, mode: mode, &transfer)
    }
  }

  /// Reads a file of at most `limit` bytes and hands it on. The number of bytes; the inner failure is that of the
  /// closure.
  func download(
    _ path: String, limit: Int, by deadline: ContinuousClock.Instant,
    _ onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws(Interrupted) -> Result<Int, any Error> {
    try await withTransfer(path, by: deadline) { connection, transfer in
      try await connection.get(limit: limit, &transfer, onOutput)
    }
  }

  private func withTransfer<T: Sendable>(
    _ path: String, by deadline: ContinuousClock.Instant,
    _ body: @escaping @Sendable (isolated Connection, inout Transfer) async throws -> T
  ) async throws(Interrupted) -> Result<T, any Error> {
    do throws(Interrupted) {
      return try await withChannel(.subsystem("sftp"), by: deadline) { connection, channel throws(Interruption) in
        let transfer: @Sendable (isolated Connection) async throws -> T? = { connection in
          var transfer = Transfer(channel: channel, path: path, deadline: deadline)
          try await connection.greet(&transfer)
          return try await body(connection, &transfer)
        }
        return try await connection.attended(
          channel, by: deadline, [{ [connection] in try await transfer(connection) }])
      }
    } catch {
      guard case .refused(let failure) = error.cause, failure.code == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED else {
        throw error
      }
      throw Interrupted(cause: .file(path: path, reason: "the server has no SFTP"), started: false)
    }
  }

  // MARK: Writing

  private func put(
    _ chunks: @Sendable () async throws -> [UInt8]?, mode: UInt32, _ transfer: inout Transfer
  ) async throws -> Int {
    let temporary = "\(transfer.path).\(String(UInt64.random(in: .min ... .max), radix: 36)).part"
    let opened = SFTP.Request.open(path: temporary, flags: SFTP.Request.createNew, mode: mode)
    guard case .handle(let handle) = try await ask(&transfer, opened) else { throw transfer.failure }
    do {
      let count = try await send(chunks, to: handle, mode: mode, &transfer)
      try await replace(transfer.path, with: temporary, &transfer)
      return count
    } catch {
      // Nobody may be there to wait for the answer, but the server gets to know.
      _ = try? await ask(&transfer, .remove(path: temporary))
      wire.flush()
      throw error
    }
  }

  private func send(
    _ chunks: @Sendable () async throws -> [UInt8]?, to handle: [UInt8], mode: UInt32, _ transfer: inout Transfer
  ) async throws -> Int {
    var rest: ArraySlice<UInt8> = []
    var offset = 0
    var isComplete = false
    while true {
      while let reply = transfer.nextReply() { try transfer.expectSuccess(reply) }
      if isComplete && transfer.pending == 0 { return offset }
      while !isComplete && transfer.pending < Transfer.window {
        while rest.count < Transfer.chunk, let more = try await chunks() {
          if rest.isEmpty { rest = more[...] } else { rest += more }
        }
        if rest.isEmpty {
          transfer.send(.setMode(handle: handle, mode: mode))
          transfer.send(.close(handle: handle))
          isComplete = true
        } else {
          let piece = rest.prefix(Transfer.chunk)
          transfer.send(.write(handle: handle, offset: UInt64(offset), data: piece))
          offset += piece.count
          rest = rest.dropFirst(piece.count)
        }
      }
      try await advance(&transfer)
    }
  }

  private func replace(
    _ path: String, with temporary: String, _ transfer: inout Transfer
  ) async throws(Interruption) {
    var reply = try await ask(&transfer, .replace(from: temporary, to: path))
    if case .status(SFTP.Reply.unsupported, _) = reply {
      reply = try await ask(&transfer, .rename(from: temporary, to: path))
    }
    try transfer.expectSuccess(reply)
  }

  // MARK: Reading

  private func get(
    limit: Int, _ transfer: inout Transfer, _ onOutput: @Sendable ([UInt8]) async throws -> Void
  ) async throws -> Int {
    let opened = SFTP.Request.open(path: transfer.path, flags: SFTP.Request.readOnly, mode: nil)
    guard case .handle(let handle) = try await ask(&transfer, opened) else { throw transfer.failure }
    var window = 1  // Most files are small.
    var count = 0
    while true {
      while transfer.pending < window {
        let offset = UInt64(count + transfer.pending * Transfer.chunk)
        transfer.send(.read(handle: handle, offset: offset, length: UInt32(Transfer.chunk)))
      }
      try await advance(&transfer)
      let (output, isAtEnd) = try transfer.nextOutput()
      count += output.count
      guard count <= limit else {
        throw Interruption.file(path: transfer.path, reason: "it is larger than \(limit) bytes")
      }
      if !output.isEmpty {
        window = min(window * 2, Transfer.window)
        try await onOutput(output)
      }
      if isAtEnd { return count }
    }
  }

  // MARK: Asking

  private func greet(_ transfer: inout Transfer) async throws(Interruption) {
    transfer.greet()
    guard case .version = try await reply(&transfer) else { throw transfer.failure }
  }

  /// Forgets what was asked before.
  private func ask(_ transfer: inout Transfer, _ request: SFTP.Request) async throws(Interruption) -> SFTP.Reply {
    transfer.forget()
    transfer.send(request)
    return try await reply(&transfer)
  }

  private func reply(_ transfer: inout Transfer) async throws(Interruption) -> SFTP.Reply {
    while true {
      if let reply = transfer.nextReply() { return reply }
      try await advance(&transfer)
    }
  }

  /// Sends and receives what can be now; if nothing has come, waits until that may have changed.
  private func advance(_ transfer: inout Transfer) async throws(Interruption) {
    transfer.sent(try write(transfer.outbound, from: 0, to: transfer.channel))
    var inbound = transfer.takeInbound()
    let hasRead = try read(.stdout, of: transfer.channel) { inbound.append(contentsOf: $0) }
    try transfer.receive(inbound)
    // A server without SFTP that starts something else instead may have much to say here.
    _ = try read(.stderr, of: transfer.channel) { _ in }
    guard !hasRead else {
      wire.flush()
      await Task.yield()
      return try check(transfer.deadline)
    }
    if session.isAtEnd(transfer.channel) {
      throw .file(path: transfer.path, reason: "the server's SFTP ended")
    }
    try await wait(until: transfer.deadline)
  }
}

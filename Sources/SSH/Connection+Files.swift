import CLibSSH2

extension Connection {
  /// Writes a file under a temporary name and gives it its own when it is complete, so that nobody ever sees a part.
  func upload(
    _ bytes: [UInt8], to path: String, mode: UInt32, by deadline: ContinuousClock.Instant
  ) async throws(Interrupted) {
    let temporary = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 36)).part"
    try await withTransfer(path, by: deadline) { connection, transfer throws(Interruption) in
      let opened = SFTP.Request.open(path: temporary, flags: SFTP.Request.createNew, mode: mode)
      guard case .handle(let handle) = try await connection.ask(&transfer, opened) else {
        throw transfer.failure
      }
      do throws(Interruption) {
        try await connection.send(bytes, to: handle, mode: mode, &transfer)
        try await connection.replace(path, with: temporary, &transfer)
      } catch {
        if case .file = error { _ = try? await connection.ask(&transfer, .remove(path: temporary)) }
        throw error
      }
    }
  }

  /// Reads a file of at most `limit` bytes.
  func download(
    _ path: String, limit: Int, by deadline: ContinuousClock.Instant
  ) async throws(Interrupted) -> [UInt8] {
    try await withTransfer(path, by: deadline) { connection, transfer throws(Interruption) in
      let opened = SFTP.Request.open(path: path, flags: SFTP.Request.readOnly, mode: nil)
      guard case .handle(let handle) = try await connection.ask(&transfer, opened) else {
        throw transfer.failure
      }
      return try await connection.receive(from: handle, limit: limit, &transfer)
    }
  }

  private func withTransfer<T: Sendable>(
    _ path: String, by deadline: ContinuousClock.Instant,
    _ body: @Sendable (isolated Connection, inout Transfer) async throws(Interruption) -> T
  ) async throws(Interrupted) -> T {
    do throws(Interrupted) {
      return try await withChannel("subsystem", "sftp", by: deadline) { connection, channel throws(Interruption) in
        var transfer = Transfer(channel: channel, path: path, deadline: deadline)
        try await connection.greet(&transfer)
        return try await body(connection, &transfer)
      }
    } catch {
      guard case .refused(let failure) = error.cause, failure.code == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED else {
        throw error
      }
      throw Interrupted(cause: .file(path: path, reason: "the server has no SFTP"), started: false)
    }
  }

  /// One transfer on its own SFTP channel.
  fileprivate struct Transfer {
    let channel: Session.Channel
    let path: String
    let deadline: ContinuousClock.Instant
    var inbound: [UInt8] = []
    var nextID: UInt32 = 1
    var last: SFTP.Reply = .unknown

    /// What to say when the last reply was not the one hoped for.
    var failure: Interruption { .file(path: path, reason: last.reason) }
  }

  /// The length of a data packet that every server takes.
  private static let chunk = 32 << 10
  /// Packets under way at once.
  private static let window = 32

  private func send(
    _ bytes: [UInt8], to handle: [UInt8], mode: UInt32, _ transfer: inout Transfer
  ) async throws(Interruption) {
    var position = 0
    repeat {
      var requests: [SFTP.Request] = []
      while position < bytes.count, requests.count < Self.window {
        let end = min(position + Self.chunk, bytes.count)
        requests.append(.write(handle: handle, offset: UInt64(position), data: bytes[position..<end]))
        position = end
      }
      if position == bytes.count { requests += [.setMode(handle: handle, mode: mode), .close(handle: handle)] }
      for reply in try await ask(&transfer, requests) { try transfer.expectSuccess(reply) }
    } while position < bytes.count
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

  private func receive(
    from handle: [UInt8], limit: Int, _ transfer: inout Transfer
  ) async throws(Interruption) -> [UInt8] {
    var bytes: [UInt8] = []
    var atOnce = 1  // Most files are small.
    while true {
      let requests = (0..<atOnce).map { index in
        SFTP.Request.read(
          handle: handle, offset: UInt64(bytes.count + index * Self.chunk), length: UInt32(Self.chunk))
      }
      atOnce = Self.window
      replies: for reply in try await ask(&transfer, requests) {
        switch reply {
        case .data(let data):
          bytes += data
          guard bytes.count <= limit else {
            throw .file(path: transfer.path, reason: "it is larger than \(limit) bytes")
          }
          // After a short piece the following ones are not where they should be.
          if data.count != Self.chunk { break replies }
        case .status(SFTP.Reply.endOfFile, _):
          return bytes
        case .version, .handle, .status, .unknown:
          throw .file(path: transfer.path, reason: reply.reason)
        }
      }
    }
  }

  // MARK: Asking

  private func greet(_ transfer: inout Transfer) async throws(Interruption) {
    let replies = try await exchange(SFTP.hello, ids: 0...0, &transfer)
    guard case .version? = replies.first else { throw transfer.failure }
  }

  private func ask(_ transfer: inout Transfer, _ request: SFTP.Request) async throws(Interruption) -> SFTP.Reply {
    try await ask(&transfer, [request]).first ?? .unknown
  }

  /// Sends requests, and gives the replies in the order of the requests.
  private func ask(
    _ transfer: inout Transfer, _ requests: [SFTP.Request]
  ) async throws(Interruption) -> [SFTP.Reply] {
    guard !requests.isEmpty else { return [] }
    let first = transfer.nextID
    var packets: [UInt8] = []
    for request in requests {
      packets += request.packet(id: transfer.nextID)
      transfer.nextID &+= 1
    }
    return try await exchange(packets, ids: first...(transfer.nextID &- 1), &transfer)
  }

  private func exchange(
    _ packets: [UInt8], ids: ClosedRange<UInt32>, _ transfer: inout Transfer
  ) async throws(Interruption) -> [SFTP.Reply] {
    var replies: [UInt32: SFTP.Reply] = [:]
    var written = 0
    while true {
      written += try write(packets, from: written, to: transfer.channel)
      var inbound = transfer.inbound
      let hasRead = try read(.stdout, of: transfer.channel) { inbound.append(contentsOf: $0) }
      transfer.inbound = inbound
      // A server without SFTP that starts something else instead may have much to say here.
      _ = try read(.stderr, of: transfer.channel) { _ in }
      while let packet = try transfer.nextPacket() {
        let (id, reply) = SFTP.Reply.decode(packet)
        if ids.contains(id) { replies[id] = reply }
      }
      if replies.count == ids.count {
        transfer.last = replies[ids.upperBound] ?? .unknown
        return ids.map { replies[$0] ?? .unknown }
      }
      guard hasRead else {
        if session.isAtEnd(transfer.channel) {
          throw .file(path: transfer.path, reason: "the server's SFTP ended")
        }
        try await wait(until: transfer.deadline)
        continue
      }
      try check(transfer.deadline)
    }
  }
}

extension Connection.Transfer {
  fileprivate func expectSuccess(_ reply: SFTP.Reply) throws(Interruption) {
    guard case .status(SFTP.Reply.ok, _) = reply else { throw .file(path: path, reason: reply.reason) }
  }

  /// Takes the next complete packet from what has come in.
  fileprivate mutating func nextPacket() throws(Interruption) -> [UInt8]? {
    var reader = WireReader(inbound.prefix(4))
    guard let length = reader.uint32() else { return nil }
    guard length <= SFTP.longestPacket else {
      throw .file(path: path, reason: "the server's answer is not SFTP; a login script that prints something spoils it")
    }
    guard inbound.count >= 4 + Int(length) else { return nil }
    defer { inbound.removeFirst(4 + Int(length)) }
    return Array(inbound[4..<4 + Int(length)])
  }
}

import CLibSSH2
import Support

/// One SSH connection: a libssh2 session on its own queue, shared by several channels.
///
/// Everything that must wait is written as a loop: try; if libssh2 would block, wait until bytes have moved; try
/// again. Two facts about libssh2 shape it. Whichever call asks for bytes takes in the packets of all channels, so
/// whenever bytes have come, everybody who waits tries again. And two open or exec requests at once take each other's
/// answers, so starts wait in line.
actor Connection {
  /// What the pool needs to know.
  enum Event: Sendable {
    /// A channel is closed and its place free.
    case released
    /// The server would not open another channel.
    case refused
    /// The server keeps a channel that was closed here: nothing new should be started on this connection.
    case retired
    case lost(reason: String)
    /// A keepalive interval has passed.
    case tick
  }

  nonisolated let destination: Destination
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  let executor: QueueExecutor
  let session: Session
  let wire: Wire
  let keepalive: Duration
  /// Channels at once, as far as that is known here.
  private let capacity: Int
  private var report: @Sendable (Connection, Event) -> Void = { _, _ in }

  private(set) var lost: String?
  private var waiters: [CheckedContinuation<Void, Never>] = []
  private let alarm: Alarm
  /// Those who want to start something, in order; the first one may.
  private var starts: [UInt64] = []
  private var lastTicket: UInt64 = 0
  /// Who makes the connection, at first; then channels, each from the wish to have it until it is closed.
  var users = 1
  /// Those of them that the server does not close though asked to.
  private var stuck = 0
  private var isRetired = false
  /// Channels that the server has open.
  private var channels = 0
  /// Shells that nobody uses now, the one used last at the end. They do not count as users.
  var idleShells: [KeptShell] = []
  /// After the account was found to have no shell that can be kept, none is tried before this.
  var nextShell = ContinuousClock.now
  /// Our ends of the connections that are made by way of this one, by their descriptors.
  var tunnels: [Int32: Wire] = [:]
  private var ticker: Task<Void, Never>?
  private var receivedAtTick: UInt64 = 0
  /// The server was silent for an interval and has a question to answer.
  private var isSuspect = false

  /// Takes over a connected, non-blocking socket.
  init?(socket: Int32, destination: Destination, keepalive: Duration, capacity: Int) {
    let executor = QueueExecutor(label: "ssh \(destination)")
    let wire = Wire(descriptor: socket, queue: executor.queue)
    guard let session = Session(wire: wire) else { return nil }
    let alarm = Alarm(queue: executor.queue)
    self.destination = destination
    self.executor = executor
    self.wire = wire
    self.session = session
    self.keepalive = keepalive
    self.capacity = capacity
    self.alarm = alarm
    alarm.activate { [weak self] in self?.assumeIsolated { $0.alarmRang() } }
    wire.activate(
      onReadable: { [weak self] in self?.assumeIsolated { $0.becameReadable() } },
      onWritable: { [weak self] in self?.assumeIsolated { $0.becameWritable() } })
  }

  /// Begins to report to the pool, and to ask the server for signs of life.
  func attach(_ report: @escaping @Sendable (Connection, Event) -> Void) {
    self.report = report
    users -= 1
    ticker = Task { [weak self, keepalive] in
      while (try? await Task.sleep(for: keepalive)) != nil, await self?.tick() == true {}
    }
  }

  /// Ends the connection; commands that still run on it are interrupted.
  func close() {
    guard lost == nil else { return }
    session.disconnect()
    lose("it was closed")
  }

  // MARK: Waiting

  /// Tries until the call has a result.
  func eventually<T>(
    by deadline: ContinuousClock.Instant, _ call: () throws(Session.Failure) -> T?
  ) async throws(Interruption) -> T {
    while true {
      if let result = try attempt(call) { return result }
      try await wait(until: deadline)
    }
  }

  /// Tries once; nil if the call would have to wait.
  func attempt<T>(_ call: () throws(Session.Failure) -> T?) throws(Interruption) -> T? {
    if let lost { throw .lost(reason: lost) }
    do {
      return try call()
    } catch {
      switch error.code {
      // libssh2 says so, too, when the connection ended before there was any answer.
      case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED where wire.isAtEnd:
        lose("the server closed the connection")
        throw .lost(reason: "the server closed the connection")
      case LIBSSH2_ERROR_CHANNEL_FAILURE, LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED,
        LIBSSH2_ERROR_AUTHENTICATION_FAILED, LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
        throw .refused(error)
      default:
        let reason = wire.isAtEnd ? "the server closed the connection" : error.message
        lose(reason)
        throw .lost(reason: reason)
      }
    }
  }

  /// Waits until something may have changed. Throws when it is too late, or the task cancelled.
  func wait(until deadline: ContinuousClock.Instant) async throws(Interruption) {
    wire.flush()
    try check(deadline)
    alarm.ring(by: deadline)
    await withTaskCancellationHandler {
      await withCheckedContinuation { waiters.append($0) }
    } onCancel: {
      Task { await self.wakeAll() }
    }
    try check(deadline)
  }

  func check(_ deadline: ContinuousClock.Instant) throws(Interruption) {
    if let lost { throw .lost(reason: lost) }
    if Task.isCancelled || ContinuousClock.now >= deadline { throw .timedOut }
  }

  func wakeAll() {
    let woken = waiters
    waiters.removeAll(keepingCapacity: true)
    for waiter in woken { waiter.resume() }
  }

  private func alarmRang() {
    alarm.reset()
    wakeAll()
  }

  private func becameReadable() {
    wire.becameReadable()
    wakeAll()
    // Nobody is there to read, so it is a question of the server's: asking back reads it. And libssh2 takes a channel
    // for well closed when the connection ends; asking then finds out.
    guard lost == nil, starts.isEmpty, users == 0 || wire.isAtEnd else { return }
    if idleShells.isEmpty || wire.isAtEnd { probe() } else { sweepShells() }
  }

  private func becameWritable() {
    wire.flush()
    if !wire.isCongested { wakeAll() }
  }

  private func lose(_ reason: String) {
    guard lost == nil else { return }
    lost = reason
    idleShells = []
    ticker?.cancel()
    wire.close()
    wakeAll()
    report(self, .lost(reason: reason))
  }

  // MARK: Signs of life

  /// Whether to go on.
  private func tick() -> Bool {
    guard lost == nil else { return false }
    defer { receivedAtTick = wire.received }
    if wire.received != receivedAtTick {
      isSuspect = false
    } else if isSuspect {
      lose("no answer for \(keepalive * 2)")
    } else {
      isSuspect = true
      if starts.isEmpty { probe() }
    }
    endIdleShells()
    report(self, .tick)
    return lost == nil
  }

  /// Asks a question that any server must answer: to open a channel of a type that does not exist (RFC 4254, section
  /// 5.1). libssh2's own keepalive does not show whether an answer came, and never releases the answers.
  private func probe() {
    let ticket = joinStarts()
    Task {
      defer { leaveStarts(ticket) }
      do throws(Interruption) {
        try await turn(ticket, by: .after(keepalive * 6))
        let channel = try await eventually(by: .after(keepalive * 6)) { () throws(Session.Failure) in
          try session.openChannel(type: "keepalive@weir")
        }
        users += 1
        channels += 1
        discard(channel, isLeased: false)
      } catch {}  // Refused, as it should be, or lost, which others know by now.
    }
  }

  // MARK: Channels

  /// Opens a channel, asks for what it shall be connected to, lets `body` use it, and closes it.
  ///
  /// Errors come as soon as they are known; cleaning up goes on behind them, and keeps the channel's place until done.
  func withChannel<T: Sendable>(
    _ service: Session.Service, by deadline: ContinuousClock.Instant, isLeased: Bool = true,
    _ body: (isolated Connection, Session.Channel) async throws(Interruption) -> T
  ) async throws(Interrupted) -> T {
    let channel = try await start(service, by: deadline, isLeased: isLeased)
    defer { discard(channel, isLeased: isLeased) }
    do throws(Interruption) {
      return try await body(self, channel)
    } catch {
      throw Interrupted(cause: error, started: !error.isRefusal)
    }
  }

  /// Opens a channel and asks for what it shall be connected to.
  /// - Parameter isLeased: whether the pool has given a place for it and is to get it back.
  func start(
    _ service: Session.Service, by deadline: ContinuousClock.Instant, isLeased: Bool = true
  ) async throws(Interrupted) -> Session.Channel {
    users += 1
    var channel: Session.Channel?
    var isOpening = false
    let ticket = joinStarts()
    do throws(Interruption) {
      try await turn(ticket, by: deadline)
      try await makeRoom(by: deadline)
      isOpening = true
      let opened = try await open(service, by: deadline)
      channel = opened
      try await eventually(by: deadline) { () throws(Session.Failure) in
        try session.request(service, on: opened)
      }
      leaveStarts(ticket)
      return opened
    } catch {
      switch error {
      case .timedOut where isOpening:
        Task { [channel] in await finishStart(ticket, channel, service, isLeased) }
      case .refused where channel == nil:
        leaveStarts(ticket)
        leave(service.isSession ? .refused : .released, isLeased)
      default:
        leaveStarts(ticket)
        if let channel { discard(channel, isLeased: isLeased) } else { leave(.released, isLeased) }
      }
      // A request that was denied did not start anything.
      throw Interrupted(cause: error, started: channel != nil && !error.isRefusal)
    }
  }

  /// Where the server allows no more channels, a shell that nobody uses makes room.
  private func open(
    _ service: Session.Service, by deadline: ContinuousClock.Instant
  ) async throws(Interruption) -> Session.Channel {
    while true {
      do throws(Interruption) {
        let opened = try await eventually(by: deadline) { () throws(Session.Failure) in
          try session.openChannel(for: service)
        }
        channels += 1
        return opened
      } catch {
        guard error.isRefusal, service.isSession, !idleShells.isEmpty else { throw error }
        try await endShell(by: deadline)
      }
    }
  }

  private func makeRoom(by deadline: ContinuousClock.Instant) async throws(Interruption) {
    while channels >= capacity, !idleShells.isEmpty { try await endShell(by: deadline) }
  }

  /// Ends the shell that has been idle for longest, and gives the server a moment to notice.
  private func endShell(by deadline: ContinuousClock.Instant) async throws(Interruption) {
    let before = channels
    end(idleShells.removeFirst())
    let moment = min(deadline, .after(.seconds(1)))
    while channels >= before, ContinuousClock.now < moment {
      do throws(Interruption) { try await wait(until: moment) } catch .timedOut { try check(deadline) }
    }
  }

  /// Brings a start that nobody waits for any longer to its end: an answer that is still to come would be taken for
  /// that to the next one's request.
  private func finishStart(
    _ ticket: UInt64, _ channel: Session.Channel?, _ service: Session.Service, _ isLeased: Bool
  ) async {
    var channel = channel
    do throws(Interruption) {
      let deadline = ContinuousClock.Instant.after(keepalive * 2)
      if let channel {
        try await eventually(by: deadline) { () throws(Session.Failure) in
          try session.request(service, on: channel)
        }
      } else {
        channel = try await eventually(by: deadline) { () throws(Session.Failure) in
          try session.openChannel(for: service)
        }
        channels += 1
      }
    } catch {
      if case .timedOut = error { lose("no answer for \(keepalive * 2)") }
    }
    leaveStarts(ticket)
    if let channel { discard(channel, isLeased: isLeased) } else { leave(.released, isLeased) }
  }

  /// Closes a channel, and gives its place back when the server has closed it too.
  func discard(_ channel: Session.Channel, isLeased: Bool = true) {
    do throws(Interruption) {
      let closed: Void? = try attempt { () throws(Session.Failure) in try session.free(channel) }
      wire.flush()
      if closed == nil {
        Task { await waitClosed(channel, isLeased) }
        return
      }
    } catch {}  // Lost, and so are its places.
    closed(isLeased)
  }

  /// sshd does not close a channel before its command ends, and counts it as long (MaxSessions). For a short while
  /// that keeps us from piling up more; then the pool uses another connection, and this one ends with its
  /// last other user.
  private func waitClosed(_ channel: Session.Channel, _ isLeased: Bool) async {
    do throws(Interruption) {
      do throws(Interruption) {
        try await eventually(by: .after(keepalive)) { () throws(Session.Failure) in try session.free(channel) }
      } catch .timedOut {
        isRetired = true
        stuck += 1
        report(self, .retired)
        closeIfUnused()
        defer { stuck -= 1 }
        try await eventually(by: .after(.seconds(Int32.max))) { () throws(Session.Failure) in
          try session.free(channel)
        }
      }
    } catch {}
    closed(isLeased)
  }

  private func closed(_ isLeased: Bool) {
    channels -= 1
    leave(.released, isLeased)
    wakeAll()
  }

  func leave(_ event: Event, _ isLeased: Bool = true) {
    users -= 1
    if isLeased { report(self, event) }
    closeIfUnused()
  }

  private func closeIfUnused() {
    if isRetired && users <= stuck { close() }
  }

  private func joinStarts() -> UInt64 {
    lastTicket += 1
    starts.append(lastTicket)
    return lastTicket
  }

  private func turn(_ ticket: UInt64, by deadline: ContinuousClock.Instant) async throws(Interruption) {
    try check(deadline)
    while starts.first != ticket { try await wait(until: deadline) }
  }

  private func leaveStarts(_ ticket: UInt64) {
    starts.removeAll { $0 == ticket }
    wakeAll()
  }
}

import CProcess
import Dispatch
import Glibc
import Support

/// A command on this machine, from its start until it was waited for. All of them live on one queue.
actor LocalProcess {
  /// How long after the command's end its output may stay open because something that it left behind has it too.
  private static let grace: Duration = .seconds(1)
  /// What a pipe can hold: so much may be left to read when the command has ended.
  private static let pipeSize = 64 << 10

  nonisolated var unownedExecutor: UnownedSerialExecutor { readiness.executor.asUnownedSerialExecutor() }

  private let readiness: Readiness
  private let child: Child
  private var watch: UInt64 = 0
  private var stdin: Int32?
  private var stdout: Int32?
  private var stderr: Int32?
  private var errors: LimitedBytes
  /// As waitpid(2) has it.
  private var status: Int32?
  private var graceEnds = ContinuousClock.now
  /// It was asked to end and will be killed; until then no other process may get its number.
  private var isDoomed = false
  private var waiters: [CheckedContinuation<Void, Never>] = []

  private init(_ child: Child, _ readiness: Readiness, limit: Int) {
    self.child = child
    self.readiness = readiness
    (stdin, stdout, stderr) = (child.stdin, child.stdout, child.stderr)
    errors = LimitedBytes(limit: limit)
  }

  /// Runs a command to its end, and hands its standard output on. Throws what the closures throw, and
  /// `RunError.interrupted` when the time is up or the task cancelled.
  static func run(
    _ child: Child, _ readiness: Readiness, input: CommandInput, limit: Int, by deadline: ContinuousClock.Instant?,
    _ onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws -> CommandResult {
    let process = LocalProcess(child, readiness, limit: limit)
    await process.begin()
    do {
      let result: CommandResult? = try await firstResult(of: [
        { try await process.handOn(onOutput) },
        {
          try await process.feed(input)
          return nil
        },
        {
          guard let deadline else { return nil }
          try await Task.sleep(until: deadline, clock: .continuous)
          throw RunError.overdue
        },
      ])
      await process.letGo()
      guard let result else { throw CancellationError() }
      return result
    } catch {
      await process.terminate()
      await process.letGo()
      throw Task.isCancelled ? RunError.overdue : error
    }
  }

  private func begin() {
    // It holds on to this until the process was waited for.
    watch = readiness.watch(
      reading: [child.handle, child.stdout, child.stderr], writing: [child.stdin].compactMap(\.self)
    ) { self.assumeIsolated { $0.happened() } }
  }

  // MARK: Output

  private func handOn(_ onOutput: @Sendable ([UInt8]) async throws -> Void) async throws -> CommandResult {
    var owed = Self.pipeSize
    while true {
      try Task.checkCancellation()
      let hasEnded = status != nil
      if hasEnded, owed <= 0, graceEnds <= .now { break }
      let output = read(&stdout)
      let error = read(&stderr)
      error?.withUnsafeBytes { errors.append($0) }
      if let output {
        if hasEnded { owed -= output.count }
        try await onOutput(output)
      } else if error != nil {
        await Task.yield()
      } else if hasEnded, graceEnds <= .now || (stdout == nil && stderr == nil) {
        break
      } else {
        await wait()
      }
    }
    return result()
  }

  /// The bytes that have arrived; nil if there are none, or none will come any more.
  private func read(_ descriptor: inout Int32?) -> [UInt8]? {
    guard let open = descriptor else { return nil }
    var count = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: Self.pipeSize) { buffer, initialized in
      repeat { count = Glibc.read(open, buffer.baseAddress, buffer.count) } while count < 0 && errno == EINTR
      initialized = max(0, count)
    }
    if count == 0 || (count < 0 && errno != EAGAIN) { close(&descriptor) }
    return bytes.isEmpty ? nil : bytes
  }

  private func result() -> CommandResult {
    let status = status ?? 0
    let signal = status & 0x7f
    return CommandResult(
      exitStatus: signal == 0 ? (status >> 8) & 0xff : -1,
      signal: signal == 0 ? nil : sigabbrev_np(signal).map { String(cString: $0) } ?? "\(signal)",
      stderr: errors.bytes)
  }

  // MARK: Input

  private func feed(_ input: CommandInput) async throws {
    switch input {
    case .open: return
    case .bytes(let bytes): try await write(bytes)
    case .chunks(let next):
      while stdin != nil, let bytes = try await next() { try await write(bytes) }
    }
    close(&stdin)
  }

  private func write(_ bytes: [UInt8]) async throws {
    var position = 0
    while position < bytes.count, let open = stdin {
      try Task.checkCancellation()
      let count = bytes[position...].withUnsafeBytes { Glibc.write(open, $0.baseAddress, $0.count) }
      if count >= 0 {
        position += count
      } else if errno == EAGAIN {
        await wait()
      } else if errno != EINTR {
        close(&stdin)  // Nobody reads it any more.
      }
    }
  }

  // MARK: Waiting

  /// Until something may have changed, or the task is cancelled.
  private func wait() async {
    guard !Task.isCancelled else { return }
    await withTaskCancellationHandler {
      await withCheckedContinuation { waiters.append($0) }
    } onCancel: {
      Task { await self.wakeAll() }
    }
  }

  private func wakeAll() {
    let woken = waiters
    waiters = []
    for waiter in woken { waiter.resume() }
  }

  private func happened() {
    if !isDoomed { reap() }
    wakeAll()
  }

  private func reap() {
    var status: Int32 = 0
    guard self.status == nil, waitpid(child.pid, &status, WNOHANG) == child.pid else { return }
    self.status = status
    graceEnds = .now + Self.grace
    if stdout != nil || stderr != nil {
      after(Self.grace) { $0.wakeAll() }
    }
    readiness.end(watch)
    readiness.forget(child.handle)
    Glibc.close(child.handle)
  }

  // MARK: Ending

  /// Ends the command and all of its process group, if it still runs. Nobody waits for that.
  private func terminate() {
    guard status == nil, !isDoomed else { return }
    isDoomed = true
    kill(-child.pid, SIGTERM)
    after(Self.grace) { process in
      kill(-process.child.pid, SIGKILL)
      process.isDoomed = false
      process.reap()
    }
  }

  private func letGo() {
    close(&stdin)
    close(&stdout)
    close(&stderr)
  }

  private func close(_ descriptor: inout Int32?) {
    guard let open = descriptor else { return }
    readiness.forget(open)
    Glibc.close(open)
    descriptor = nil
  }

  private func after(_ time: Duration, _ action: @escaping @Sendable (isolated LocalProcess) -> Void) {
    readiness.executor.queue.asyncAfter(deadline: .now() + .milliseconds(Int(time.milliseconds) + 1)) { @Sendable in
      self.assumeIsolated { action($0) }
    }
  }
}

extension RunError {
  fileprivate static let overdue = interrupted("a command on this machine timed out; it may have run")
}

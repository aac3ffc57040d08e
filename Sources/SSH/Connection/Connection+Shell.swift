import Shell
import Support

/// How a kept shell's answer ends a command.
private struct ShellAnswer {
  let status: Int32?
  let signal: String?

  init?(_ text: String) {
    let words = text.split(separator: " ")
    guard let word = words.first, let status = Int32(word), words.count <= 2 else { return nil }
    signal = words.count == 2 ? String(words[1]) : nil
    self.status = signal == nil ? status : nil
  }
}

extension Connection {
  /// Runs a command to its end in a kept shell. Nil, with nothing done, if this server allows no kept shell.
  func runInShell(
    _ request: ShellRequest, limits: OutputLimits, by deadline: ContinuousClock.Instant
  ) async throws(Interrupted) -> CommandOutput? {
    guard let shell = try await takeShell(by: deadline) else { return nil }
    var started = false
    do throws(Interruption) {
      var (stdout, stderr) = request.streams(limits)
      try await exchange(request, on: shell.channel, &stdout, &stderr, by: deadline, &started) { $0 && $1 }
      guard let answer = stdout.answer.flatMap(ShellAnswer.init) else {
        throw .lost(reason: "the shell sent an unexpected answer")
      }
      keep(shell)
      return CommandOutput(
        exitStatus: answer.status, exitSignal: answer.signal,
        stdout: stdout.output.bytes, stderr: stderr.output.bytes,
        stdoutTruncated: stdout.output.truncated, stderrTruncated: stderr.output.truncated)
    } catch {
      switch error {
      case .timedOut where started, .flooded: Task { await abandon(shell) }
      default: discard(shell.channel)
      }
      throw Interrupted(cause: error, started: started)
    }
  }

  /// A shell that is free, or a new one.
  private func takeShell(by deadline: ContinuousClock.Instant) async throws(Interrupted) -> KeptShell? {
    if !idleShells.isEmpty {
      // The end of the connection may be known to the kernel already: better now than when a command was sent.
      wire.becameReadable()
      wakeAll()
      sweepShells()
    }
    if let shell = idleShells.popLast() {
      users += 1
      return shell
    }
    let mark = CommandMark()
    let channel: Session.Channel
    do throws(Interrupted) {
      channel = try await start(.command(CleanShell.keptShell(mark: mark)), by: deadline)
    } catch {
      throw Interrupted(cause: error.cause, started: false)
    }
    do throws(Interruption) {
      try await waitForMark(mark, on: channel, by: deadline)
      if let processGroup = try await greet(channel, by: deadline) {
        return KeptShell(channel: channel, processGroup: processGroup)
      }
    } catch {
      switch error {
      case .lost where lost == nil, .notBegun where deadline > .now: break
      default:
        discard(channel)
        throw Interrupted(cause: error, started: false)
      }
    }
    // The account may run some commands only, or has no shell, or a poor one.
    nextShell = .now + KeptShell.lifetime
    discard(channel, isLeased: false)
    return nil
  }

  /// The process group of a shell that answers on both streams.
  private func greet(
    _ channel: Session.Channel, by deadline: ContinuousClock.Instant
  ) async throws(Interruption) -> Int32? {
    let limits = OutputLimits(stdout: 0, stderr: 0)
    var started = false
    let greeting = ShellRequest.greeting
    var (stdout, stderr) = greeting.streams(limits)
    try await exchange(greeting, on: channel, &stdout, &stderr, by: deadline, &started) { out, _ in out }
    guard let group = stdout.answer.flatMap(ShellRequest.processGroup) else { return nil }
    if stderr.answer == nil {
      // Login files may have redirected standard error. What comes there comes no later than a second answer.
      let again = ShellRequest.greeting
      var (second, _) = again.streams(limits)
      try await exchange(again, on: channel, &second, &stderr, by: deadline, &started) { out, _ in out }
    }
    return stderr.answer == nil ? nil : group
  }

  /// Sends a request and reads until enough streams are complete.
  private func exchange(
    _ request: ShellRequest, on channel: Session.Channel, _ stdout: inout MarkedStream, _ stderr: inout MarkedStream,
    by deadline: ContinuousClock.Instant, _ started: inout Bool,
    until isEnough: (_ stdout: Bool, _ stderr: Bool) -> Bool
  ) async throws(Interruption) {
    var written = 0
    while true {
      try check(deadline)
      if written < request.bytes.count {
        started = true
        written += try write(request.bytes, from: written, to: channel)
      }
      let readOut = try read(.stdout, of: channel) { stdout.append($0) }
      let readErr = try read(.stderr, of: channel) { stderr.append($0) }
      if isEnough(stdout.answer != nil, stderr.answer != nil) { return }
      guard stdout.output.dropped + stderr.output.dropped <= OutputLimits.dropped else { throw .flooded }
      if session.isAtEnd(channel) { throw .lost(reason: "the shell ended") }
      if readOut || readErr {
        wire.flush()
        await Task.yield()  // A command that never stops talking must not keep the others from being heard.
      } else {
        try await wait(until: deadline)
      }
    }
  }

  private func keep(_ shell: KeptShell) {
    guard shell.startedAt + KeptShell.lifetime > .now else { return discard(shell.channel) }
    var shell = shell
    shell.idleSince = .now
    idleShells.append(shell)
    leave(.released)
  }

  /// Ends what a shell runs, for nobody waits for it any longer, and the shell with it.
  private func abandon(_ shell: KeptShell) async {
    do throws(Interrupted) {
      try await withCommand(shell.kill, by: .after(keepalive), isLeased: false) {
        connection, channel, _ throws(Interruption) in
        try await connection.waitAtEnd(of: channel, by: .after(.seconds(5)))
      }
    } catch {}  // It could not be, and what was said of channels that go on holds for this one.
    discard(shell.channel)
  }

  private func waitAtEnd(of channel: Session.Channel, by deadline: ContinuousClock.Instant) async throws(Interruption) {
    while !session.isAtEnd(channel) {
      _ = try read(.stdout, of: channel) { _ in }
      _ = try read(.stderr, of: channel) { _ in }
      if !session.isAtEnd(channel) { try await wait(until: deadline) }
    }
  }

  /// Lets go of shells that have ended, or say something though nobody asked: something else writes there too.
  func sweepShells() {
    // Not in place: reading may find the connection lost, and then they are all forgotten.
    var quiet: [KeptShell] = []
    for shell in idleShells {
      do throws(Interruption) {
        let readOut = try read(.stdout, of: shell.channel) { _ in }
        let readErr = try read(.stderr, of: shell.channel) { _ in }
        if readOut || readErr || session.isAtEnd(shell.channel) { end(shell) } else { quiet.append(shell) }
      } catch {}
    }
    idleShells = lost == nil ? quiet : []
  }

  /// Ends the shells that nobody has used for a while, except for the one used last.
  func endIdleShells() {
    while idleShells.count > 1, idleShells[0].idleSince + KeptShell.idleTime < .now { end(idleShells.removeFirst()) }
  }

  /// Ends a shell that is not in use.
  func end(_ shell: KeptShell) {
    users += 1
    discard(shell.channel, isLeased: false)
  }
}

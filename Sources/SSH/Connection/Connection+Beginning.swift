import Shell
import Support

/// What an account's login files print before the command begins: the last of it, until the mark.
private struct LoginOutput {
  private(set) var hasMark = false
  private(set) var count = 0
  private var last: [UInt8] = []
  private let mark: [UInt8]

  init(mark: [UInt8]) { self.mark = mark }

  mutating func append(_ chunk: UnsafeRawBufferPointer) {
    count += chunk.count
    guard !hasMark else { return }
    last.append(contentsOf: chunk)
    hasMark = Self.position(of: mark, in: last) != nil
    last = last.suffix(512)
  }

  /// Its last line, for people.
  var words: String {
    let line = last.split(separator: UInt8(ascii: "\n")).last { $0.contains { $0 > 0x20 } && !$0.starts(with: mark) }
    return line.map { LogText.line(String(decoding: $0, as: UTF8.self), limit: 200) } ?? ""
  }

  /// Behind which byte the mark's line ends.
  static func position(of mark: [UInt8], in bytes: [UInt8]) -> Int? {
    var start = bytes.startIndex
    while let found = bytes[start...].firstIndex(of: ShellRequest.markStart) {
      let line = bytes[found...]
      if line.starts(with: mark) { return min(bytes.endIndex, found + mark.count + 1) }
      start = found + 1
    }
    return nil
  }
}

extension Connection {
  /// The most that login files may print.
  private static var longestLoginOutput: Int { 1 << 20 }

  /// Starts a script on a channel of its own and lets `body` talk with it once it has begun.
  ///
  /// Nothing is sent before the login files have ended, so that they cannot read it; what they print is dropped. The
  /// script begins when it reads `go`, so that before that it certainly has not run.
  func withCommand<T: Sendable>(
    _ script: String, by deadline: ContinuousClock.Instant, isLeased: Bool = true,
    _ body: (isolated Connection, Session.Channel, CommandMark) async throws(Interruption) -> T
  ) async throws(Interrupted) -> T {
    let mark = CommandMark()
    let channel: Session.Channel
    do throws(Interrupted) {
      channel = try await start(.command(CleanShell.line(script, mark: mark)), by: deadline, isLeased: isLeased)
    } catch {
      throw Interrupted(cause: error.cause, started: false)
    }
    defer { discard(channel, isLeased: isLeased) }
    var started = false
    do throws(Interruption) {
      // A stream may have no end; login files must end.
      try await waitForMark(mark, on: channel, by: min(deadline, .now + .seconds(60)))
      started = true
      try await sendAll(Array("go\n".utf8), to: channel, by: deadline)
      return try await body(self, channel, mark)
    } catch {
      throw Interrupted(cause: error, started: started)
    }
  }

  /// Waits until the login files have ended and the command prints the mark.
  func waitForMark(
    _ mark: CommandMark, on channel: Session.Channel, by deadline: ContinuousClock.Instant
  ) async throws(Interruption) {
    var stdout = LoginOutput(mark: mark.stdout)
    var stderr = LoginOutput(mark: mark.stderr)
    do throws(Interruption) {
      while true {
        let readOut = try read(.stdout, of: channel) { stdout.append($0) }
        let readErr = try read(.stderr, of: channel) { stderr.append($0) }
        if stdout.hasMark { return }
        try check(deadline)
        if stdout.count + stderr.count > Self.longestLoginOutput {
          throw .notBegun(reason: "they print more than \(Self.longestLoginOutput >> 20) MiB")
        }
        if try isClosed(channel) {
          let words = stderr.words.isEmpty ? stdout.words : stderr.words
          throw .notBegun(reason: ending(of: channel) + (words.isEmpty ? "" : ": \(words)"))
        }
        if readOut || readErr {
          wire.flush()
          await Task.yield()
        } else {
          try await wait(until: deadline)
        }
      }
    } catch {
      guard case .timedOut = error, !Task.isCancelled else { throw error }
      throw .notBegun(
        reason: stderr.hasMark
          ? "they redirect standard output"
          : "they did not end in time; they may read standard input, start another shell, or be slow")
    }
  }

  private func ending(of channel: Session.Channel) -> String {
    let end = session.exitSignal(of: channel).map { "signal \($0)" } ?? "status \(session.exitStatus(of: channel))"
    return "the session ended with \(end) before the command began"
  }

  func sendAll(
    _ bytes: [UInt8], to channel: Session.Channel, by deadline: ContinuousClock.Instant
  ) async throws(Interruption) {
    var written = 0
    while true {
      written += try write(bytes, from: written, to: channel)
      if written == bytes.count { return wire.flush() }
      try await wait(until: deadline)
    }
  }

  /// A command's standard error without what login files printed there.
  func own(_ stderr: [UInt8], after mark: CommandMark) -> [UInt8] {
    LoginOutput.position(of: mark.stderr, in: stderr).map { Array(stderr[$0...]) } ?? stderr
  }
}

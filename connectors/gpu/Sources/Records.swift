import Foundation

/// One run of a job on a server.
struct AttemptID: Sendable, Hashable, CustomStringConvertible {
  let job: String
  let number: Int

  /// As the scripts take and print it.
  var description: String { "\(job)/\(number)" }
}

/// What the wrapper of an attempt wrote when it began: who it is. A number that the system gave out anew, or a start of
/// the whole system, is told by the rest.
struct StartRecord: Sendable, Equatable {
  let pid: Int
  /// When the process began, in clock ticks since the system did.
  let startTime: UInt64
  let boot: String
  /// By the server's clock.
  let time: Date

  /// Whether the attempt was voided: nothing of it ever ran, or will.
  var isVoid: Bool { boot == "void" }

  /// `<pid> <start time> <boot id> <epoch>`
  init?(_ fields: some Collection<Substring>) {
    let fields = Array(fields)
    guard fields.count == 4, let pid = Int(digits: fields[0]), let startTime = UInt64(digits: fields[1]),
      !fields[2].isEmpty, let seconds = Int(digits: fields[3])
    else { return nil }
    self.pid = pid
    self.startTime = startTime
    boot = String(fields[2])
    time = Date(timeIntervalSince1970: TimeInterval(seconds))
  }
}

/// What the wrapper of an attempt wrote when nothing of the job was left.
struct ExitRecord: Sendable, Equatable {
  enum Cause: String, Sendable {
    case exited, signaled, canceled
    case timeLimit = "timelimit"
  }

  /// Nil when a signal ended it.
  let code: Int?
  let signal: Int?
  let cause: Cause
  /// By the server's clock.
  let time: Date

  /// `<code> <signal> <cause> <epoch>`, -1 for no code and 0 for no signal.
  init?(_ fields: some Collection<Substring>) {
    let fields = Array(fields)
    guard fields.count == 4, let code = fields[0] == "-1" ? -1 : Int(digits: fields[0]), code < 256,
      let signal = Int(digits: fields[1]), let cause = Cause(rawValue: String(fields[2])),
      let seconds = Int(digits: fields[3])
    else { return nil }
    self.code = code < 0 ? nil : code
    self.signal = signal == 0 ? nil : signal
    self.cause = cause
    time = Date(timeIntervalSince1970: TimeInterval(seconds))
  }
}

/// What a server says of an attempt.
enum AttemptState: Sendable, Equatable {
  /// Nothing is there.
  case absent
  /// Its directory is there, and nothing has started.
  case claimed
  case running(StartRecord)
  case suspended(StartRecord)
  case ended(StartRecord, ExitRecord)
  /// The server started anew while it ran.
  case rebooted(StartRecord)
  /// Its wrapper is gone, and these processes of it live; none of them does any more while it is being ended.
  case orphaned(StartRecord, pids: [Int])
  /// All of it is gone, without a word of how it ended.
  case vanished(StartRecord)

  /// The word for it, and its records.
  init?(_ fields: some Collection<Substring>) {
    let rest = fields.dropFirst()
    switch fields.first {
    case "absent" where rest.isEmpty: self = .absent
    case "claimed" where rest.isEmpty: self = .claimed
    case "ended":
      guard let start = StartRecord(rest.prefix(4)), let exit = ExitRecord(rest.dropFirst(4)) else { return nil }
      self = .ended(start, exit)
    case "orphaned":
      let pids = rest.dropFirst(4).map { $0.split(separator: ",", omittingEmptySubsequences: false) }
      guard let start = StartRecord(rest.prefix(4)), pids.count == 1 else { return nil }
      if pids[0] == ["-"] {
        self = .orphaned(start, pids: [])
        break
      }
      let numbers = pids[0].compactMap { Int(digits: $0) }
      guard numbers.count == pids[0].count else { return nil }
      self = .orphaned(start, pids: numbers)
    case let word?:
      guard let start = StartRecord(rest) else { return nil }
      switch word {
      case "running": self = .running(start)
      case "suspended": self = .suspended(start)
      case "rebooted": self = .rebooted(start)
      case "vanished": self = .vanished(start)
      default: return nil
      }
    case nil: return nil
    }
  }
}

extension FixedWidthInteger {
  /// A number in decimal digits and nothing else.
  init?(digits text: Substring) {
    guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    self.init(text)
  }
}

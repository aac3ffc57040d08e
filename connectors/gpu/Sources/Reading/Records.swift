import ConnectorSupport
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
  /// By the server's clock; nil when the record is lost and only the rest of the attempt is known.
  let time: Date?

  /// One of which nothing is known.
  static let lost = StartRecord()

  private init() { (pid, startTime, boot, time) = (0, 0, "lost", nil) }

  /// Whether the attempt was voided: nothing of it ever ran, or will.
  var isVoid: Bool { boot == "void" }

  /// `<pid> <start time> <boot id> <epoch>`, or `0 0 <word> 0` for a record that is lost.
  /// - Parameter now: by the server's clock.
  init?(_ fields: some Collection<Substring>, now: Date) {
    let fields = Array(fields)
    guard fields.count == 4, let pid = MachineNumber.count(fields[0]), let startTime = UInt64(digits: fields[1]),
      !fields[2].isEmpty
    else { return nil }
    let time = MachineNumber.recorded(fields[3], now: now)
    guard time != nil || pid == 0 && fields[3] == "0" else { return nil }
    self.pid = pid
    self.startTime = startTime
    boot = String(fields[2])
    self.time = time
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
  /// - Parameter now: by the server's clock.
  init?(_ fields: some Collection<Substring>, now: Date) {
    let fields = Array(fields)
    guard fields.count == 4, let code = fields[0] == "-1" ? -1 : MachineNumber.count(fields[0], upTo: 255),
      let signal = MachineNumber.count(fields[1], upTo: 255), let cause = Cause(rawValue: String(fields[2])),
      let time = MachineNumber.recorded(fields[3], now: now)
    else { return nil }
    self.code = code < 0 ? nil : code
    self.signal = signal == 0 ? nil : signal
    self.cause = cause
    self.time = time
  }
}

extension MachineNumber {
  /// The time of a record: as it is, or `now` where it lies further ahead than clocks differ, as after a clock was set
  /// back.
  fileprivate static func recorded(_ text: Substring, now: Date) -> Date? {
    time(text).map { $0.timeIntervalSince(now) > 86_400 ? now : $0 }
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
  /// It has begun, nothing of it lives, and its records are gone.
  case gone
  /// One of its records is not as it must be, and these processes of it live: nothing else is known.
  case damaged(String, pids: [Int])
  /// It is another machine's, of which this one knows nothing.
  case elsewhere(machine: String)

  /// The word for it, and its records; nil for any other word. Records that are not as they must be are damaged: a job
  /// can write to its own.
  /// - Parameter now: by the server's clock.
  init?(_ fields: some Collection<Substring>, now: Date) {
    guard let word = fields.first, Self.words.contains(word) else { return nil }
    let living = Self.overWords.contains(word) ? [] : [Self.unnamed]
    self = Self(word, fields.dropFirst(), now) ?? .damaged("records", pids: living)
  }

  /// Stands for a process that lives and whose number cannot be read.
  static let unnamed = 0

  /// Those that are said only once no process lives.
  private static let overWords: Set<Substring> = ["ended", "rebooted", "vanished"]

  private static let words: Set<Substring> = [
    "absent", "claimed", "running", "suspended", "ended", "rebooted", "orphaned", "vanished", "gone", "damaged",
    "elsewhere",
  ]

  private init?(_ word: Substring, _ rest: some Collection<Substring>, _ now: Date) {
    switch word {
    case "absent" where rest.isEmpty: self = .absent
    case "claimed" where rest.isEmpty: self = .claimed
    case "gone" where rest.isEmpty: self = .gone
    case "elsewhere":
      guard rest.count == 1, let machine = rest.first else { return nil }
      self = .elsewhere(machine: String(machine))
    case "damaged":
      guard rest.count == 2, let record = rest.first, let pids = Self.pids(rest.dropFirst().first) else { return nil }
      self = .damaged(String(record), pids: pids)
    case "ended":
      guard rest.count == 8, let exit = ExitRecord(rest.dropFirst(4), now: now) else { return nil }
      // How it ended is known without when it began.
      self = .ended(StartRecord(rest.prefix(4), now: now) ?? .lost, exit)
    case "orphaned":
      guard rest.count == 5, let start = StartRecord(rest.prefix(4), now: now),
        let pids = Self.pids(rest.dropFirst(4).first)
      else { return nil }
      self = .orphaned(start, pids: pids)
    default:
      guard let start = StartRecord(rest, now: now) else { return nil }
      switch word {
      case "running": self = .running(start)
      case "suspended": self = .suspended(start)
      case "rebooted": self = .rebooted(start)
      case "vanished": self = .vanished(start)
      default: return nil
      }
    }
  }

  /// `12,13`, or `-` for none.
  private static func pids(_ text: Substring?) -> [Int]? {
    guard let text, text != "-" else { return text.map { _ in [] } }
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    let pids = words.compactMap { MachineNumber.count($0) }
    return pids.count == words.count ? pids : nil
  }
}

extension FixedWidthInteger {
  /// A number in decimal digits and nothing else.
  init?(digits text: Substring) {
    guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    self.init(text)
  }
}

import ConnectorSupport
import Foundation

/// An answer of one of our scripts that is not as it must be. Nothing of it counts then: a half-read answer could make a
/// living job look ended.
struct MalformedAnswer: Error, Equatable, CustomStringConvertible {
  let script: String
  let fault: String

  /// - Parameter line: what was not understood; nil when the answer ends too early.
  init(_ script: String, line: (some StringProtocol)?) {
    self.script = script
    fault = line.map { "the line '\($0.prefix(200))' was not expected" } ?? "it ends too early"
  }

  var description: String { "the answer of \(script) is not understood: \(fault)" }
}

/// The lines of an answer, read one after another. The last has its line end too, or the answer was cut off.
struct AnswerLines {
  let script: String
  private var lines: ArraySlice<Substring>

  init(_ output: [UInt8], of script: String) throws(MalformedAnswer) {
    self.script = script
    lines = String(decoding: output, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)[...]
    guard lines.popLast() == "" else { throw MalformedAnswer(script, line: String?.none) }
  }

  var first: Substring? { lines.first }

  mutating func next() -> Substring? { lines.popFirst() }

  /// The rest of the next line, which must begin with a word and a blank.
  mutating func value(_ word: String) throws(MalformedAnswer) -> Substring {
    let line = next()
    guard let line, line.hasPrefix(word + " "), line.utf8.count > word.utf8.count + 1 else { throw malformed(line) }
    return line.dropFirst(word.count + 1)
  }

  mutating func number(_ word: String) throws(MalformedAnswer) -> Int {
    let value = try value(word)
    guard let number = MachineNumber.count(value) else { throw malformed("\(word) \(value)") }
    return number
  }

  mutating func time(_ word: String) throws(MalformedAnswer) -> Date {
    let value = try value(word)
    guard let time = MachineNumber.time(value) else { throw malformed("\(word) \(value)") }
    return time
  }

  /// The rests of the next lines that begin so.
  mutating func block(_ prefix: String) -> [String] {
    var block: [String] = []
    while let line = first, line.hasPrefix(prefix) {
      block.append(String(line.dropFirst(prefix.count)))
      _ = next()
    }
    return block
  }

  /// `<id> <n> <state>`
  /// - Parameter now: by the server's clock.
  mutating func attempt(now: Date) throws(MalformedAnswer) -> (id: AttemptID, state: AttemptState) {
    let line = next()
    let fields = line?.split(separator: " ", omittingEmptySubsequences: false) ?? []
    guard fields.count > 2, JobToken.isOne(fields[0]), let number = MachineNumber.count(fields[1]), number > 0,
      let state = AttemptState(fields.dropFirst(2), now: now)
    else { throw malformed(line) }
    return (AttemptID(job: String(fields[0]), number: number), state)
  }

  func malformed(_ line: (some StringProtocol)?) -> MalformedAnswer { MalformedAnswer(script, line: line) }

  /// Nothing follows.
  func end() throws(MalformedAnswer) { if let first { throw malformed(first) } }
}

enum JobToken {
  /// Whether a text is an id as Weir gives them: a ULID.
  static func isOne(_ text: some StringProtocol) -> Bool {
    text.utf8.count == 26 && text.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) }
  }
}

/// What sweep.sh says of the attempts that it was asked for, and of the GPUs.
struct SweepAnswer: Sendable, Equatable {
  /// By the server's clock.
  let now: Date
  let boot: String
  /// Whose the job root is; see ``RootOwner``.
  let owner: String
  let attempts: [AttemptID: AttemptState]
  /// What nvidia-smi said; nil when it was not asked.
  let smi: NVIDIASMI.Output?

  /// - Parameters:
  ///   - asked: every one of these is answered, once, and no other.
  ///   - asksSMI: whether nvidia-smi was asked too.
  init(_ output: [UInt8], asked: some Collection<AttemptID>, asksSMI: Bool) throws(MalformedAnswer) {
    var lines = try AnswerLines(output, of: "sweep.sh")
    now = try lines.time("now")
    boot = String(try lines.value("boot"))
    owner = String(try lines.value("owner"))
    var attempts: [AttemptID: AttemptState] = [:]
    let expected = Set(asked)
    while attempts.count < expected.count {
      let line = lines.first
      let (id, state) = try lines.attempt(now: now)
      guard expected.contains(id), attempts.updateValue(state, forKey: id) == nil else { throw lines.malformed(line) }
    }
    self.attempts = attempts
    smi = asksSMI ? try NVIDIASMI.Output(&lines) : nil
    try lines.end()
  }
}

/// What list.sh says: every job that has a directory.
struct ListAnswer: Sendable, Equatable {
  struct Entry: Sendable, Equatable {
    let job: String
    /// The lines of what Weir wrote of the job.
    let about: [String]
    /// The latest. What became of it is for sweep.sh to say.
    var attempt: Attempt?
  }

  struct Attempt: Sendable, Equatable {
    let number: Int
    /// The machine that it says it is of; nil where jobs were started before that was written.
    var machine: String?
    /// The lines of what Weir wrote of its place.
    let place: [String]
  }

  let entries: [Entry]

  init(_ output: [UInt8]) throws(MalformedAnswer) {
    var lines = try AnswerLines(output, of: "list.sh")
    var entries: [Entry] = []
    var seen: Set<String> = []
    while let line = lines.first {
      let job = String(try lines.value("job"))
      guard JobToken.isOne(job), seen.insert(job).inserted else { throw lines.malformed(line) }
      var entry = Entry(job: job, about: lines.block("= "))
      if lines.first?.hasPrefix("attempt ") == true {
        let number = try lines.number("attempt")
        guard number > 0 else { throw lines.malformed("attempt \(number)") }
        let machine = lines.first?.hasPrefix("machine ") == true ? String(try lines.value("machine")) : nil
        entry.attempt = Attempt(number: number, machine: machine, place: lines.block("+ "))
      }
      entries.append(entry)
    }
    self.entries = entries
  }
}

/// What prepare.sh says of a server.
struct PrepareAnswer: Sendable, Equatable {
  /// Absolute.
  let root: String
  /// By the server's clock.
  let now: Date
  let boot: String
  let cpus: Int
  let memoryMB: Int
  let host: String
  let architecture: String
  /// Whether its tar reads archives in the format pax.
  let readsPax: Bool
  /// What it is called in its job root, which other machines may use too.
  let machine: String
  /// The files of the job root that were not as Weir writes them, and were written again.
  let repaired: [String]
  /// What an administrator should change there.
  let warnings: [String]

  init(_ output: [UInt8]) throws(MalformedAnswer) {
    var lines = try AnswerLines(output, of: "prepare.sh")
    let first = lines.first
    root = String(try lines.value("root"))
    guard root.hasPrefix("/") else { throw lines.malformed(first) }
    now = try lines.time("now")
    boot = String(try lines.value("boot"))
    cpus = try lines.number("cpus")
    memoryMB = try lines.number("memory")
    host = String(try lines.value("host"))
    architecture = String(try lines.value("arch"))
    readsPax = try lines.number("pax") == 1
    let last = lines.first
    machine = String(try lines.value("machine"))
    guard machine.wholeMatch(of: /[A-Za-z0-9._-]{1,64}@[A-Za-z0-9._-]{1,80}/) != nil else {
      throw lines.malformed(last)
    }
    repaired = lines.block("repaired ")
    warnings = lines.block("warning ")
    try lines.end()
  }
}

/// What start.sh and void.sh say: one line.
enum StartAnswer: Sendable, Equatable {
  case started(StartRecord)
  /// The attempt was there already.
  case exists
  /// The job's directory was removed once: its id never starts again.
  case removed
  /// The attempt never ran, and never will.
  case void
  /// Something of the attempt lives, or may, whatever its records say.
  case busy
  /// The job root belongs to another Weir, which runs on that host.
  case owned(host: String)

  /// - Parameter now: by our clock, from which the server's may differ.
  init(_ output: [UInt8], of script: String = "start.sh", now: Date = Date()) throws(MalformedAnswer) {
    var lines = try AnswerLines(output, of: script)
    let line = lines.next()
    let fields = line?.split(separator: " ", omittingEmptySubsequences: false) ?? []
    switch (fields.first, fields.count) {
    case ("exists", 1): self = .exists
    case ("removed", 1): self = .removed
    case ("void", 1): self = .void
    case ("busy", 1): self = .busy
    case ("owned", 2): self = .owned(host: String(fields[1]))
    case ("started", _):
      guard let record = StartRecord(fields.dropFirst(), now: now) else { throw lines.malformed(line) }
      self = .started(record)
    default: throw lines.malformed(line)
    }
    try lines.end()
  }
}

/// What cancel.sh says: one word.
enum CancelAnswer: String, Sendable, OneWord {
  static let script = "cancel.sh"
  case asked, over, absent, void, elsewhere
}

/// What remove.sh says: one word.
enum RemoveAnswer: String, Sendable, OneWord {
  static let script = "remove.sh"
  case removed, busy
}

protocol OneWord: RawRepresentable<String> {
  static var script: String { get }
}

extension OneWord {
  init(_ output: [UInt8]) throws(MalformedAnswer) {
    var lines = try AnswerLines(output, of: Self.script)
    let line = lines.next()
    guard let line, let word = Self(rawValue: String(line)) else { throw lines.malformed(line) }
    self = word
    try lines.end()
  }
}

/// What signal.sh says.
enum SignalAnswer: Sendable, Equatable {
  /// So many processes have got the signal.
  case done(Int)
  case over
  case absent

  init(_ output: [UInt8]) throws(MalformedAnswer) {
    var lines = try AnswerLines(output, of: "signal.sh")
    switch lines.first {
    case "over": (self, _) = (.over, lines.next())
    case "absent": (self, _) = (.absent, lines.next())
    default: self = .done(try lines.number("done"))
    }
    try lines.end()
  }
}

/// The answer of recall.sh: jobs that were removed.
struct RecallAnswer: Sendable, Equatable {
  let removed: Set<String>

  init(_ output: [UInt8], asked: Set<String>) throws(MalformedAnswer) {
    var lines = try AnswerLines(output, of: "recall.sh")
    var removed: Set<String> = []
    while let line = lines.first {
      let id = String(try lines.value("removed"))
      guard asked.contains(id) else { throw lines.malformed(line) }
      removed.insert(id)
    }
    self.removed = removed
  }
}

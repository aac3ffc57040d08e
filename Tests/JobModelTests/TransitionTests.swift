import Foundation
import Testing

@testable import JobModel

/// Every state with every change. The table is written out once more, in another form than the rules: what a change leads
/// to from each state, `-` where it is refused.
@Suite("Transitions of a job")
struct TransitionTests {
  static let living: [JobState] = [
    .submitting, .held, .queued, .starting, .running, .suspended, .requeued, .canceling,
  ]
  static let ended: [JobState] = [.succeeded, .failed, .canceled, .lost]

  struct Row: Sendable, CustomTestStringConvertible {
    let change: JobChange
    /// Of each state that takes the change, what it becomes.
    let targets: [JobState: JobState]
    var testDescription: String { change.kind.rawValue }
  }

  static let rows: [Row] = [
    Row(change: .accepted(backendID: "7", held: false), targets: [.submitting: .queued]),
    Row(change: .accepted(backendID: "7", held: true), targets: [.submitting: .held]),
    Row(change: .answerLost(reason: "r"), targets: [.submitting: .submitting]),
    Row(change: .neverSubmitted(reason: "r"), targets: [.submitting: .failed]),
    Row(change: .placed(machine: "m", devices: [], outputPath: nil), targets: [.queued: .starting]),
    Row(change: .putBack(reason: "r", asNextAttempt: true), targets: [.starting: .queued, .canceling: .canceled]),
    Row(change: .notStartable(reason: "r"), targets: [.starting: .failed]),
    Row(change: .cancelRequested(reason: "r"), targets: each(living, .canceling)),
    Row(change: .canceledUnplaced, targets: [.canceling: .canceled]),
    Row(change: .held(by: .user, reason: "r"), targets: [.queued: .held]),
    Row(change: .released, targets: [.held: .queued]),
    Row(change: .vanished(reason: "r"), targets: each(living, .lost)),
    Row(change: .endedByHand(reason: "r"), targets: each(living, .canceled)),
  ]

  private static func each(_ states: [JobState], _ target: JobState) -> [JobState: JobState] {
    Dictionary(uniqueKeysWithValues: states.map { ($0, target) })
  }

  /// A job as it may be in that state, without a machine.
  static func job(_ state: JobState, source: String = "squeue") -> Job {
    let time = Date(timeIntervalSince1970: 1_000_000)
    return Job(
      id: "01J", key: JobKey(name: "c", number: 1), owner: "kirby", account: "kirby", connector: "slurm",
      submissionToken: "T",
      fingerprint: "f", lifecycle: Lifecycle(state), contact: Contact(seenAt: time, source: source),
      reason: "before", attempt: Attempt(backendID: "7", endedAt: state.isTerminal ? time : nil), submittedAt: time)
  }

  @Test("Each change but reports, from each state", arguments: rows)
  func changes(row: Row) throws {
    #expect(Set(Self.living + Self.ended) == Set(JobState.allCases))
    for state in JobState.allCases {
      let before = Self.job(state)
      var job = before
      let time = Date(timeIntervalSince1970: 2_000_000)
      guard let target = row.targets[state] else {
        #expect(throws: IllegalTransition(from: state, change: row.change.kind)) {
          try job.apply(row.change, at: time, source: "test")
        }
        #expect(job == before, "a refused change leaves the job as it was")
        continue
      }
      try job.apply(row.change, at: time, source: "test")
      #expect(job.state == target)
      #expect(target.isTerminal == (job.endedAt != nil), "\(state)")
      #expect(job.outcome?.state == (target.isTerminal ? target : nil))
      // An answer that was lost says nothing of the job.
      #expect(job.contact.seenAt == (row.change.kind == .answerLost ? before.contact.seenAt : time))
      #expect(Transition.targets(of: row.change.kind, from: state).contains(target))
    }
  }

  @Test("Every kind of change is in the table")
  func kinds() {
    #expect(Set(Self.rows.map(\.change.kind) + [.reported]) == Set(JobChange.Kind.allCases))
    // What the table allows is what the rows say, and nothing more.
    for kind in JobChange.Kind.allCases where kind != .reported {
      for state in JobState.allCases {
        let said = Set(Self.rows.filter { $0.change.kind == kind }.compactMap { $0.targets[state] })
        #expect(Set(Transition.targets(of: kind, from: state)) == said, "\(kind) from \(state)")
      }
    }
  }

  @Test("A canceled job that has a machine is ended by what is reported of it alone")
  func canceledWithMachine() {
    var job = Self.job(.canceling)
    job.nodes = ["node1"]
    #expect(throws: IllegalTransition.self) { try job.apply(.canceledUnplaced, at: Date()) }
  }

  /// What a report leads to, from each state: nothing may surprise the one who reads this.
  @Test("Each report, from each state", arguments: JobState.allCases)
  func reports(reported: JobState) throws {
    for state in JobState.allCases {
      let before = Self.job(state)
      let report = JobReport(
        backendID: "7", state: reported, source: "test", backendWord: "W", reason: "after")
      var job = before
      let expected: JobState? =
        switch (state, reported) {
        // It has ended, and somebody saw it.
        case (.succeeded, _), (.failed, _), (.canceled, _): state
        // These are Weir's to say.
        case (_, .submitting) where state != .submitting: state == .canceling ? .canceling : nil
        case (_, .canceling): state == .canceling ? .canceling : nil
        case (.canceling, _): reported.isTerminal ? reported : .canceling
        default: reported
        }
      guard let expected else {
        #expect(throws: IllegalTransition(from: state, change: .reported)) {
          try job.apply(.reported(report), at: Date())
        }
        #expect(job == before)
        continue
      }
      try job.apply(.reported(report), at: Date())
      #expect(job.state == expected, "\(state), reported as \(reported)")
      #expect((job.endedAt != nil) == expected.isTerminal)
      #expect((job.outcome != nil) == expected.isTerminal)
    }
  }

  @Test(
    "A report that says nothing of the state leaves what is known, and says since when", arguments: JobState.allCases)
  func unknown(state: JobState) throws {
    var job = Self.job(state)
    let time = Date(timeIntervalSince1970: 2_000_000)
    try job.apply(
      .reported(JobReport(backendID: "7", state: nil, source: "test", backendWord: "ODD", reason: "says ODD")), at: time
    )
    let expected: JobState =
      switch state {
      // The backend has it.
      case .submitting: .queued
      // Something of it runs: it is not started again.
      case .starting: .running
      // It was lost, and is there.
      case .lost: .queued
      default: state
      }
    #expect(job.state == expected)
    if state == .lost || !state.isTerminal {
      #expect(job.contact.unreachableSince == time && job.backendWord == "ODD")
      // Who asked for its end stays known.
      #expect(job.reason.hasSuffix(state == .canceling ? "before" : "says ODD"))
      try job.apply(.reported(JobReport(backendID: "7", state: .running, source: "test", backendWord: "R")), at: time)
      #expect(job.contact.unreachableSince == nil)
    } else {
      #expect(job == Self.job(state))
    }
  }

  @Test("What is on a machine is not started again, whatever else is known of it", arguments: JobState.allCases)
  func unknownOnMachine(state: JobState) throws {
    var job = Self.job(state)
    var report = JobReport(backendID: "7", state: nil, source: "sweep", backendWord: "damaged", nodes: ["n1"])
    report.devices = [Device(index: 0)]
    try job.apply(.reported(report), at: Date())
    switch state {
    case .submitting, .held, .queued, .starting, .lost: #expect(job.state == .running)
    default: #expect(job.state == state)
    }
    if job.state.isTerminal { return #expect(job == Self.job(state)) }
    #expect(job.nodes == ["n1"] && job.devices.count == 1 && job.contact.unreachableSince != nil)
  }

  @Test("Since when a job waits, and who holds it, stays while it is reported to")
  func waiting() throws {
    let (first, later) = (Date(timeIntervalSince1970: 2_000_000), Date(timeIntervalSince1970: 3_000_000))
    func report(_ state: JobState) -> JobChange {
      .reported(JobReport(backendID: "7", state: state, source: "test", backendWord: "W"))
    }
    var job = Self.job(.submitting)
    try job.apply(.accepted(backendID: "7", held: false), at: first)
    try job.apply(report(.queued), at: later)
    #expect(job.lifecycle == .queued(since: first))
    try job.apply(.held(by: .administrator, reason: "r"), at: first)
    try job.apply(report(.held), at: later)
    #expect(job.lifecycle == .held(by: .administrator))
    try job.apply(report(.queued), at: later)
    #expect(job.lifecycle == .queued(since: later), "somebody released it on the backend")
  }

  @Test("An attempt that another follows is what it was, with its end")
  func attempts() throws {
    let (start, requeue) = (Date(timeIntervalSince1970: 2_000_000), Date(timeIntervalSince1970: 2_000_100))
    var job = Self.job(.queued)
    try job.apply(
      .reported(
        JobReport(
          backendID: "7", state: .running, source: "test", backendWord: "R", nodes: ["n1"], elapsed: 90,
          startedAt: start)),
      at: requeue)
    let ran = job
    try job.apply(.reported(JobReport(backendID: "7", state: .queued, source: "test", backendWord: "PD")), at: requeue)
    let ended = try #require(ran.attemptEnded(by: job))
    #expect(job.attempt == 2 && job.nodes.isEmpty && ran.attemptEnded(by: ran) == nil)
    #expect(
      ended.attempt
        == Attempt(number: 1, backendID: "7", nodes: ["n1"], elapsed: 90, startedAt: start, endedAt: requeue))
    #expect(ended.reason == "requeued: attempt 2")
  }

  @Test("An end by hand is corrected by each report", arguments: JobState.allCases.filter { $0 != .canceled })
  func correction(reported: JobState) throws {
    guard ![.submitting, .canceling].contains(reported) else { return }
    var job = Self.job(.canceled, source: Job.administrator)
    let report = JobReport(backendID: "7", state: reported, source: "test", backendWord: "W")
    try job.apply(.reported(report), at: Date())
    #expect(job.state == reported && job.reason.hasPrefix("found again: it was canceled"))
  }
}

import ConnectorAPI
import ConnectorSupport
import Foundation
import JobModel

extension Job {
  /// What the scripts on a server call it.
  var attemptID: AttemptID { AttemptID(job: submissionToken, number: attempt) }
}

extension AttemptState {
  /// Whether something of it runs, or may begin to.
  var isLive: Bool {
    switch self {
    case .claimed, .running, .suspended, .orphaned, .damaged: true
    case .absent, .ended, .rebooted, .vanished, .gone, .elsewhere: false
    }
  }

  /// Says of which record it is not known what it says, and what lives all the same.
  static func words(_ record: String, _ pids: [Int]) -> String {
    let record = ["records", "directory"].contains(record) ? "its \(record)" : "its record '\(record)'"
    let living = pids.isEmpty ? "no process of it is left" : "processes that live: \(pids.count)"
    return "\(record) on the server is damaged, and so its state is not known; \(living)"
  }
}

/// What the states of a server's attempts mean for their jobs.
struct AttemptReader: Sendable {
  /// The server's name.
  let name: String
  let status: Shared<ServerStatus>

  /// What a state of an attempt means for its job; nil when it says nothing yet.
  /// - Parameter now: by the server's clock.
  func report(of job: Job, _ state: AttemptState, now: Date) -> JobReport? {
    var state = state
    // What was seen to run was not given up before it began, whoever wrote so.
    if case .ended(let start, let exit) = state, start.isVoid, job.startedAt != nil { state = .ended(.lost, exit) }
    guard var report = report(state, now: now) else { return nil }
    report.backendID = job.submissionToken
    report.mark = Mark(token: job.submissionToken)
    report.attempt = job.attempt
    // When it began is known already where its record is lost.
    if report.startedAt == nil, let started = job.startedAt {
      report.startedAt = started
      report.elapsed = max(0, Int((report.endedAt ?? now).timeIntervalSince(started)))
    }
    return report
  }

  private func report(_ state: AttemptState, now: Date) -> JobReport? {
    var report = JobReport(backendID: "", state: .running, source: "sweep", backendWord: "running", nodes: [name])
    var record: StartRecord?
    switch state {
    case .absent, .claimed, .gone: return nil
    case .damaged(let file, let pids):
      (report.lifecycle, report.backendWord) = (nil, "damaged")
      report.reason = AttemptState.words(file, pids)
    case .elsewhere(let machine):
      (report.lifecycle, report.backendWord) = (nil, "elsewhere")
      report.reason =
        "\(name) does not know it: its records are of the machine \(machine), "
        + "and \(name) is now \(status.value.facts?.machine ?? "another")"
    case .running(let start): record = start
    case .suspended(let start):
      record = start
      (report.lifecycle, report.backendWord) = (.suspended, "suspended")
    case .orphaned(let start, let pids):
      record = start
      report.backendWord = "orphaned"
      report.reason =
        "its wrapper is gone; " + (pids.isEmpty ? "it is being ended" : "\(pids.count) of its processes live")
    case .ended(let start, let exit):
      guard !start.isVoid else { return nil }
      record = start
      report.source = "exit file"
      report.backendWord = exit.cause.rawValue
      let (outcome, reason) = exit.meaning
      report.lifecycle = .ended(outcome.with(exitCode: exit.code, signal: exit.signal))
      report.reason = reason
      report.endedAt = exit.time
      report.elapsed = start.time.map { max(0, Int(exit.time.timeIntervalSince($0))) } ?? 0
    case .rebooted(let start):
      record = start
      (report.lifecycle, report.backendWord) = (.ended(.nodeFailure), "rebooted")
      report.reason = "\(name) restarted while it ran"
      report.endedAt = now
    case .vanished(let start):
      record = start
      (report.lifecycle, report.backendWord) = (.ended(.lost), "vanished")
      report.reason = "its wrapper was killed and none of its processes is left: nothing says how it ended"
      report.endedAt = now
    }
    if report.outcome == nil, let time = record?.time {
      report.elapsed = max(0, Int(now.timeIntervalSince(time)))
    }
    report.startedAt = record?.time
    return report
  }

  /// What a directory on the server shows of a job that the store may not know.
  /// - Parameters:
  ///   - machine: what the server is called in its job root.
  ///   - now: by the server's clock.
  func report(
    of entry: ListAnswer.Entry, _ state: AttemptState, machine: String, now: Date
  ) -> JobReport? {
    guard let attempt = entry.attempt, var report = report(state, now: now) else { return nil }
    // Containers on one kernel have one boot, and none of them can tell the ends of another's jobs.
    let isSaidElsewhere = attempt.machine.map { $0 != machine } ?? false
    switch state {
    case .damaged(_, let pids) where isSaidElsewhere && pids.isEmpty: return nil
    case _ where isSaidElsewhere && !state.isLive: return nil
    // Of which machine it was, nobody can say; several may share the job root.
    case .rebooted where attempt.machine == nil: return nil
    case .elsewhere: return nil
    default: break
    }
    let about = Self.values(entry.about)
    let place = Self.values(attempt.place)
    let indices = place["gpus"]?.split(separator: ",").compactMap { MachineNumber.count($0, upTo: 1023) } ?? []
    let uuids = place["uuids"]?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) ?? []
    report.backendID = entry.job
    report.mark = about["mark"].flatMap { Mark($0) }
    report.name = about["name"]
    report.account = about["account"]
    report.submittedAt = about["submitted"].flatMap { MachineNumber.pastTime($0) }
    report.attempt = attempt.number
    report.devices = indices.enumerated().map { position, index in
      Device(index: index, uuid: position < uuids.count && !uuids[position].isEmpty ? uuids[position] : nil)
    }
    report.resources = ResourceRequest(
      gpus: indices.count, cores: place["cores"].flatMap { MachineNumber.count($0, upTo: 65_536) } ?? 0,
      memory: place["memory"].flatMap { MachineNumber.count($0, upTo: 1_048_576) })
    // A mark that was copied to another directory is not that directory's.
    guard report.mark?.token == entry.job || report.mark == nil else { return nil }
    return report
  }

  /// The end of a job that the server has removed.
  func report(ofRemoved job: Job) -> JobReport {
    var report = JobReport(
      backendID: job.submissionToken, mark: Mark(token: job.submissionToken), state: .lost, source: "server",
      backendWord: "removed",
      reason: "it ended on \(name), which has removed its directory; how it ended is not known", outcome: .lost,
      nodes: [name], endedAt: .now)
    report.attempt = job.attempt
    return report
  }

  private static func values(_ lines: [String]) -> [String: String] {
    Dictionary(
      lines.compactMap { line in
        line.firstIndex(of: " ").map { (String(line[..<$0]), String(line[line.index(after: $0)...])) }
      }, uniquingKeysWith: { first, _ in first })
  }
}

extension ExitRecord {
  /// How a job ended, and why in plain words.
  fileprivate var meaning: (Outcome, String) {
    switch cause {
    case .canceled: (.canceled, "")
    case .timeLimit: (.timeLimit, "it reached its time limit")
    case .signaled: (.failed, "ended by signal \(signal ?? 0)")
    case .exited where code == 0: (.succeeded, "")
    case .exited: (.failed, "exit status \(code ?? -1)")
    }
  }
}

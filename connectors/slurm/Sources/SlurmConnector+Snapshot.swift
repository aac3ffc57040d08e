import ConnectorAPI
import ConnectorSupport
import Foundation
import JobModel
import Shell
import Support

// Following all jobs at once.
extension SlurmConnector {
  public func snapshot(of jobs: [Job]) async throws(BackendError) -> Snapshot {
    let time = Date()
    let (table, command) = try Squeue.command()
    let result = try await run(command, as: configuration.observer, stdoutLimit: 256 << 20, purpose: .observation)
    guard result.succeeded else { throw asked(SlurmWords.failure(of: "squeue", result.message)) }
    Checkpoint.reach("observe.queue-read")
    guard !result.stdoutTruncated else { throw .unavailable("the output of squeue is too large") }
    let ids = Set(jobs.compactMap(\.backendID))
    var snapshot = Snapshot(time: time, reports: try Squeue.reports(result.stdout, table, ids: ids))
    await examineDisguised(jobs, in: &snapshot)
    // No record of another's id says anything of a job.
    let gone = Self.missing(of: jobs, in: snapshot.reports).filter { [snapshot] job in
      !snapshot.strayIDs.contains(job.submissionToken)
    }
    if !gone.isEmpty {
      do throws(BackendError) {
        let (found, unasked) = try await lastWords(of: gone)
        snapshot.unasked = unasked
        for report in found {
          if report.isEnd { snapshot.reports.append(report) }
          snapshot.answers[report.backendID] = "\(report.source) says \(report.backendWord)"
        }
      } catch {
        snapshot.accountingFailure = error.description
      }
    }
    let left = Self.missing(of: gone, in: snapshot.reports).filter { !$0.state.isTerminal }
    await askOwners(of: left, in: &snapshot)
    return snapshot
  }

  /// The jobs that are not among those that squeue shows, and those that have ended.
  private static func missing(of jobs: [Job], in reports: [JobReport]) -> [Job] {
    let shown = Dictionary(grouping: reports, by: \.backendID)
    return jobs.filter { job in
      job.state.isTerminal || !(job.backendID.flatMap { shown[$0] }?.contains { $0.shows(job) } ?? false)
    }
  }

  /// Asks for jobs that the observing account does not see, and that did not end by any record, as one of the accounts that
  /// they run as: a job that is there says that the observing account lost its right to see it. One account at a time, and
  /// seldom while nothing is hidden, since it is a command of its own, as a user whose login may be slow.
  private func askOwners(of jobs: [Job], in snapshot: inout Snapshot) async {
    sight.keep(jobs.compactMap(\.backendID))
    let (hidden, account) = sight.turn(among: Set(jobs.map(\.account)))
    snapshot.unasked.formUnion(
      jobs.filter { hidden.contains($0.account) && $0.account != account }.compactMap(\.backendID))
    guard let account else { return }
    do throws(BackendError) {
      let ids = Set(jobs.compactMap(\.backendID))
      let shown = try await inQueue(of: account, ids, as: account, timeout: .seconds(5), purpose: .observation)
      let found = shown.filter { report in jobs.contains(where: report.shows) }
      sight.note(hidden: found.map(\.backendID), of: account)
      snapshot.reports += found
    } catch {
      sight.postpone(account)
      if hidden.contains(account) {
        snapshot.unasked.formUnion(jobs.filter { $0.account == account }.compactMap(\.backendID))
      }
    }
  }

  /// What accounting says of jobs that left the queue: one call, unless they are more than a command line can carry.
  /// Where there is no accounting, slurmctld's last word, and the ids of those that it was not asked about this time.
  private func lastWords(of jobs: [Job]) async throws(BackendError) -> (found: [JobReport], unasked: Set<String>) {
    var found: [JobReport] = []
    var unasked: Set<String> = []
    for start in stride(from: 0, to: jobs.count, by: 5000) {
      let some = jobs[start..<min(start + 5000, jobs.count)]
      let ids = some.compactMap(\.backendID)
      // More than one of an id where Slurm was reset.
      let wanted = Dictionary(grouping: some) { $0.backendID ?? "" }
      let filter = ["--jobs=" + ids.joined(separator: ",")]
      let all: [SlurmRecord]
      if let records = try await accounting(filter, as: configuration.observer) {
        all = records.filter { !$0.isUnproven }
      } else {
        // Each is a request of its own. Any of them may be one that slurmctld does not know, so that chance decides;
        // what is missing of an end that is known can wait.
        let turn = some.shuffled().sorted { !$0.state.isTerminal && $1.state.isTerminal }.compactMap(\.backendID)
        all = try await controllers(Array(turn.prefix(50)), as: configuration.observer)
        unasked.formUnion(turn.dropFirst(50))
      }
      found += all.map(\.report).filter { report in
        wanted[report.backendID]?.contains(where: report.shows) ?? false
      }
    }
    return (found, unasked)
  }

  /// The records that sacct has; nil where Slurm keeps no accounting.
  func accounting(
    _ filter: [String], as account: String, timeout: Duration? = nil
  ) async throws(BackendError) -> [SlurmRecord]? {
    let submitLine = dialect.hasSubmitLine
    let sacct = Sacct(submitLine: submitLine)
    let result = try await run(
      sacct.command(filter), as: account, stdoutLimit: 64 << 20, timeout: timeout, purpose: purpose(as: account))
    if result.succeeded {
      guard !result.stdoutTruncated else { throw .unavailable("the output of sacct is too large") }
      return try sacct.records(result.stdout)
    }
    if Sacct.isDisabled(result.message) { return nil }
    if submitLine, Sacct.lacksSubmitLine(result.message) {
      dialect.hasSubmitLine = false
      return try await accounting(filter, as: account, timeout: timeout)
    }
    throw asked(SlurmWords.failure(of: "sacct", result.message))
  }

  /// What slurmctld still knows of jobs.
  func controllers(
    _ ids: [String], as account: String, timeout: Duration? = nil
  ) async throws(BackendError) -> [SlurmRecord] {
    let scontrol = Scontrol()
    let result = try await run(
      scontrol.command(ids), as: account, timeout: timeout, purpose: purpose(as: account))
    guard result.succeeded else { throw asked(SlurmWords.failure(of: "scontrol", result.message)) }
    return try scontrol.records(result.stdout)
  }

  /// The jobs of an account in the queue that have our names or tags, or one of the ids.
  func inQueue(
    of account: String, _ ids: Set<String>, as asker: String, timeout: Duration, purpose: CommandPurpose? = nil
  ) async throws(BackendError) -> [JobReport] {
    let (table, command) = try Squeue.command(["--user=" + account])
    let result = try await run(
      command, as: asker, stdoutLimit: 64 << 20, timeout: timeout, purpose: purpose ?? self.purpose(as: asker))
    guard result.succeeded else { throw asked(SlurmWords.failure(of: "squeue", result.message)) }
    guard !result.stdoutTruncated else { throw .unavailable("the output of squeue is too large") }
    return try Squeue.reports(result.stdout, table, ids: ids).filter { $0.account == account }
  }

  private func purpose(as account: String) -> CommandPurpose {
    account == configuration.observer ? .observation : .action
  }
}

// Ended jobs of a store that was lost; squeue shows an end first, and accounting the exit code some seconds later.
extension SlurmConnector: RecoveringConnector, DelayedExitCodeConnector {
  public func recover(since: Date) async throws(BackendError) -> [JobReport] {
    let seconds = Int(since.timeIntervalSince1970)
    let filter = ["--allusers", "--starttime=" + SlurmClock.utc(seconds)]
    // Where there is no accounting, what slurmctld remembers is all that there is.
    let past = try await accounting(filter, as: configuration.observer, timeout: .seconds(60)) ?? []
    return past.filter { $0.mark != nil }.map(\.report).filter(\.isEnd)
  }

  public func recover(_ key: JobKey, backendID: String) async throws(BackendError) -> JobReport? {
    guard !backendID.isEmpty, backendID.utf8.count <= 10, backendID.utf8.allSatisfy({ (48...57).contains($0) }) else {
      return nil
    }
    let past = try await accounting(["--jobs=" + backendID], as: configuration.observer) ?? []
    return past.map(\.report).first { $0.name == key.name && $0.mark?.claim?.number == key.number }
  }
}

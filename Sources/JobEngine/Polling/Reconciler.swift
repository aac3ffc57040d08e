import ConnectorAPI
import Foundation
import JobModel
import Logging
import Synchronization

/// Applies to the ledger what the backend says of jobs, and what follows from what it does not say.
///
/// All of it happens on the ledger, so that nothing changes a job between the moment it is judged and the moment the
/// verdict is applied. ``ReportMatcher`` says what a report means, ``Absences`` what it amounts to that there is none.
final class Reconciler: Sendable {
  private let ledger: Ledger
  private let cancels: CancelRequests
  private let logger: Logger
  /// The jobs that complete polls do not show.
  private let absences: Mutex<Absences>

  init(ledger: Ledger, cancels: CancelRequests, configuration: JobService.Configuration, logger: Logger) {
    (self.ledger, self.cancels, self.logger) = (ledger, cancels, logger)
    absences = Mutex(
      Absences(
        lostAfter: .seconds(configuration.lostAfter), longestGap: max(.seconds(60), configuration.pollInterval * 3)))
  }

  // MARK: Reports

  /// Applies reports of single jobs, wherever they come from.
  func apply(_ reports: [JobID: JobReport], at time: Date) async { await apply(reports, at: time, on: ledger) }

  private func apply(_ reports: [JobID: JobReport], at time: Date, on ledger: isolated Ledger) async {
    let jobs = ledger.cache.read { contents in reports.keys.compactMap { contents.jobs[$0] } }
    func change(of job: Job, shownBy report: JobReport) -> ReportMatcher.Change? {
      guard report.shows(job), !job.state.isTerminal || job.isCorrectable else { return nil }
      return .init(job, shownBy: report, at: time)
    }
    let shown = jobs.compactMap { job in reports[job.id].flatMap { change(of: job, shownBy: $0) } }
    await apply(shown, again: change, on: ledger)
  }

  /// Applies what a poll says of the jobs that it asked about.
  /// - Parameters:
  ///   - asked: the ids of those jobs.
  ///   - began: when it was asked.
  ///   - isUnbroken: whether the poll before was complete as well.
  /// - Returns: why it is not believed in what it does not show; nil when it is.
  func apply(
    _ snapshot: Snapshot, to asked: Set<JobID>, began: ContinuousClock.Instant, isUnbroken: Bool
  ) async -> String? {
    await apply(snapshot, to: asked, began: began, isUnbroken: isUnbroken, on: ledger)
  }

  private func apply(
    _ snapshot: Snapshot, to asked: Set<JobID>, began: ContinuousClock.Instant, isUnbroken: Bool,
    on ledger: isolated Ledger
  ) async -> String? {
    if snapshot.accountingFailure != nil { ledger.noteAccountingFailure(at: began) }
    let jobs = ledger.cache.read { $0.jobs }
    let matcher = ReportMatcher(snapshot, asked: asked)
    let shown = matcher.changes(of: jobs)
    let missing = matcher.missing(of: jobs, shown: shown)
    let living = jobs.values.count { !$0.state.isTerminal && asked.contains($0.id) }
    let fault = absences.withLock { absences in
      for change in shown { absences.end(change.before.id) }
      if !absences.isEmpty { absences.keep(Set(jobs.values.lazy.filter { !$0.state.isTerminal }.map(\.id))) }
      let absent = Self.absent(missing, in: snapshot, &absences)
      return absences.note(absent, among: living, began: began, at: snapshot.time, isUnbroken: isUnbroken)
    }
    await apply(shown, again: matcher.change, on: ledger)
    await miss(missing, at: snapshot.time, on: ledger)
    return fault
  }

  /// Those of the missing jobs that the backend should have shown, with what it answered about them.
  private static func absent(
    _ missing: [Job], in snapshot: Snapshot, _ absences: inout Absences
  ) -> [(job: Job, answer: String?)] {
    missing.compactMap { job in
      guard let id = job.backendID, !snapshot.unasked.contains(id) else { return nil }
      guard snapshot.accountingFailure == nil, snapshot.unreachable[id] == nil else {
        absences.end(job.id)
        return nil
      }
      return (job, snapshot.answers[id])
    }
  }

  /// Applies what jobs are shown to be, in pages, between which others have their turn.
  /// - Parameter again: what a report means for a job that was changed since.
  private func apply(
    _ shown: [ReportMatcher.Change], again: (_ job: Job, _ report: JobReport) -> ReportMatcher.Change?,
    on ledger: isolated Ledger
  ) async {
    for start in stride(from: 0, to: shown.count, by: ledger.page) {
      if start > 0 { await Task.yield() }
      commit(
        shown[start..<min(start + ledger.page, shown.count)].compactMap { change in
          guard let now = ledger.current(change.before) else { return nil }
          return now == change.before ? change : again(now, change.report)
        }, on: ledger)
    }
  }

  private func commit(_ shown: [ReportMatcher.Change], on ledger: isolated Ledger) {
    for change in shown { if let refusal = change.refusal { ledger.note(refusal, of: change.before) } }
    let changes = shown.filter { !$0.before.state.isTerminal || $0.before != $0.after }.map { change in
      (before: change.before, after: withCancel(change, on: ledger))
    }
    let seen = Dictionary(shown.map { ($0.before.id, $0.report) }, uniquingKeysWith: { $1 })
    ledger.commit(changes, actor: "weir", seen: seen)
    for (before, after) in changes where before.state.isTerminal && before.state != after.state {
      logger.warning(
        "\(after.key): \(before.state.rawValue) was wrong, it is \(after.state.rawValue)",
        metadata: ["backend": "\(after.backendID ?? "")", "source": "\(after.contact.source)"])
      cancels.forget(after.id)
    }
  }

  /// A job as it is shown; one that was canceled while it was lost is to be canceled again.
  private func withCancel(_ change: ReportMatcher.Change, on ledger: isolated Ledger) -> Job {
    guard change.before.state.isTerminal, !change.after.state.isTerminal,
      let actor = cancels.actor(ofLost: change.before.id)
    else { return change.after }
    var job = change.after
    do throws(IllegalTransition) {
      try job.apply(
        .cancelRequested(reason: "canceled by \(actor) while it was lost"), at: job.contact.seenAt,
        source: job.contact.source)
    } catch { ledger.note(error, of: job) }
    return job
  }

  /// Notes that nothing showed jobs that should have been shown, in pages; but for those that changed since.
  private func miss(_ missing: [Job], at time: Date, on ledger: isolated Ledger) async {
    for start in stride(from: 0, to: missing.count, by: ledger.page) {
      if start > 0 { await Task.yield() }
      let jobs = missing[start..<min(start + ledger.page, missing.count)].filter { ledger.current($0) == $0 }
      ledger.commit(
        jobs.map { job in
          var after = job
          after.contact.unreachableSince = job.contact.unreachableSince ?? time
          return (job, after)
        }, actor: "weir")
    }
  }

  // MARK: Jobs that polls do not show

  /// The jobs that are to be asked for in another way.
  var doubtful: [Job] {
    let ids = Set(absences.withLock { $0.doubtful })
    guard !ids.isEmpty else { return [] }
    return ledger.cache.read { contents in contents.jobs.values.filter { ids.contains($0.id) } }
  }

  /// Takes in that the backend was asked in another way and does not have the job: it is lost if polls have missed it for
  /// long enough.
  func believeAbsence(of job: Job, at time: Date) async { await believeAbsence(of: job, at: time, on: ledger) }

  private func believeAbsence(of job: Job, at time: Date, on ledger: isolated Ledger) {
    let reason = absences.withLock { absences -> String? in
      guard absences.isDue(job.id) else {
        absences.confirm(job.id)
        return nil
      }
      defer { absences.end(job.id) }
      let answer = absences.answer(job.id) ?? "no record of it"
      let since = absences.since(job.id) ?? time
      return "not in the queue since \(since.formatted(.iso8601)), and nothing says how it ended: \(answer)"
    }
    if let reason { ledger.apply(.vanished(reason: reason), to: job, actor: "weir", at: time) }
  }

  /// Takes in what another way to ask shows of a job that polls do not show.
  func contradictAbsence(of job: Job, by report: JobReport, at time: Date) async {
    if report.isEnd { return await apply([job.id: report], at: time) }
    absences.withLock { $0.contradict(job.id) }
    await noteDoubt(
      about: job,
      "not in the queue, but \(report.source) says \(report.backendWord.isEmpty ? report.state?.rawValue ?? "something" : report.backendWord)"
    )
  }

  /// Says why it is not known what has become of a job that polls do not show.
  func noteDoubt(about job: Job, _ reason: String) async {
    await ledger.transition(job, actor: "weir") { job in
      // Who canceled it stays known.
      if job.state != .canceling, job.contact.unreachableSince != nil { job.reason = reason }
    }
  }
}

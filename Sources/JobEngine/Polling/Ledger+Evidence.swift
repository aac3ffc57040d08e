import Foundation
import JobModel
import Logging

// What was seen of jobs, and what follows from it.
extension Ledger {
  /// Takes over what was seen of single jobs, whoever shows them.
  func apply(_ reports: [JobID: JobReport], at time: Date) async {
    let jobs = cache.read { contents in reports.keys.compactMap { contents.jobs[$0] } }
    func change(of job: Job, shownBy report: JobReport) -> Evidence.Change? {
      guard report.shows(job), !job.state.isTerminal || job.isCorrectable else { return nil }
      return .init(job, shownBy: report, at: time)
    }
    await take(jobs.compactMap { job in reports[job.id].flatMap { change(of: job, shownBy: $0) } }, again: change)
  }

  /// Takes over what an observation says of the jobs that were asked about; see ``Evidence`` and ``Absences``.
  /// - Parameters:
  ///   - asked: the ids of those jobs.
  ///   - began: when it was asked.
  ///   - isUnbroken: whether the one before was complete as well.
  /// - Returns: why it is not believed in what it does not show; nil when it is.
  func apply(
    _ observation: Observation, to asked: Set<JobID>, began: ContinuousClock.Instant, isUnbroken: Bool
  ) async -> String? {
    if observation.accountingFailure != nil { noteAccountingFailure(at: began) }
    let jobs = cache.read { $0.jobs }
    let evidence = Evidence(observation, asked: asked)
    let shown = evidence.changes(of: jobs)
    let missing = evidence.missing(of: jobs, shown: shown)
    for change in shown { absences.end(change.before.id) }
    if !absences.isEmpty { absences.keep(Set(jobs.values.lazy.filter { !$0.state.isTerminal }.map(\.id))) }
    var absent: [(job: Job, answer: String?)] = []
    for job in missing {
      guard let id = job.backendID, !observation.unasked.contains(id) else { continue }
      if observation.accountingFailure != nil || observation.unreachable[id] != nil {
        absences.end(job.id)
      } else {
        absent.append((job, observation.answers[id]))
      }
    }
    let living = jobs.values.count { !$0.state.isTerminal && asked.contains($0.id) }
    let fault = absences.note(
      absent, among: living, began: began, at: observation.time, isUnbroken: isUnbroken)
    await take(shown, again: evidence.change)
    await miss(missing, at: observation.time)
    return fault
  }

  /// Takes over what jobs are shown to be, in pages.
  /// - Parameter again: what a report means for a job that was changed since.
  private func take(
    _ shown: [Evidence.Change], again: (_ job: Job, _ report: JobReport) -> Evidence.Change?
  ) async {
    for start in stride(from: 0, to: shown.count, by: page) {
      if start > 0 { await Task.yield() }
      take(
        shown[start..<min(start + page, shown.count)].compactMap { change in
          guard let now = current(change.before) else { return nil }
          return now == change.before ? change : again(now, change.report)
        })
    }
  }

  /// Notes that nothing showed jobs that should have been shown, in pages; but for those that changed since.
  private func miss(_ missing: [Job], at time: Date) async {
    for start in stride(from: 0, to: missing.count, by: page) {
      if start > 0 { await Task.yield() }
      let jobs = missing[start..<min(start + page, missing.count)].filter { current($0) == $0 }
      commit(
        jobs.map { job in
          var after = job
          after.contact.unreachableSince = job.contact.unreachableSince ?? time
          return (job, after)
        }, actor: "weir")
    }
  }

  private func take(_ shown: [Evidence.Change]) {
    for change in shown { if let refusal = change.refusal { note(refusal, of: change.before) } }
    let changes = shown.filter { !$0.before.state.isTerminal || $0.before != $0.after }.map { change in
      guard change.before.state.isTerminal, !change.after.state.isTerminal, let actor = canceledLost[change.before.id]
      else { return (before: change.before, after: change.after) }
      var job = change.after
      do throws(IllegalTransition) {
        try job.apply(
          .cancelRequested(reason: "canceled by \(actor) while it was lost"), at: job.contact.seenAt,
          source: job.contact.source)
      } catch { note(error, of: job) }
      return (change.before, job)
    }
    let seen = Dictionary(shown.map { ($0.before.id, $0.report) }, uniquingKeysWith: { $1 })
    commit(changes, actor: "weir", seen: seen)
    for (before, after) in changes where before.state.isTerminal && before.state != after.state {
      logger.warning(
        "\(after.key): \(before.state.rawValue) was wrong, it is \(after.state.rawValue)",
        metadata: ["backend": "\(after.backendID ?? "")", "source": "\(after.contact.source)"])
      canceledLost[after.id] = nil
    }
  }

  // MARK: Jobs that polls do not show

  /// The jobs that are to be asked for in another way.
  var doubtful: [Job] {
    let ids = Set(absences.doubtful)
    guard !ids.isEmpty else { return [] }
    return cache.read { contents in contents.jobs.values.filter { ids.contains($0.id) } }
  }

  /// Takes in that the backend was asked in another way and does not have the job: it is lost if polls have missed it for
  /// long enough.
  func believeAbsence(of job: Job, at time: Date) {
    guard absences.isDue(job.id) else { return absences.confirm(job.id) }
    let answer = absences.answer(job.id) ?? "no record of it"
    let since = absences.since(job.id) ?? time
    let reason = "not in the queue since \(since.formatted(.iso8601)), and nothing says how it ended: \(answer)"
    apply(.vanished(reason: reason), to: job, actor: "weir", at: time)
    absences.end(job.id)
  }

  /// Takes in what another way to ask shows of a job that polls do not show.
  func contradictAbsence(of job: Job, by report: JobReport, at time: Date) async {
    if report.state.isTerminal { return await apply([job.id: report], at: time) }
    absences.contradict(job.id)
    noteDoubt(
      about: job,
      "not in the queue, but \(report.source) says \(report.backendWord.isEmpty ? report.state.rawValue : report.backendWord)"
    )
  }

  /// Says why it is not known what has become of a job that polls do not show.
  func noteDoubt(about job: Job, _ reason: String) {
    transition(job, actor: "weir") { job in
      // Who canceled it stays known.
      if job.state != .canceling, job.contact.unreachableSince != nil { job.reason = reason }
    }
  }

  // MARK: Cancels

  /// Notes that the end of a job was asked for. Of a lost one that is an event, once: it is canceled again if it turns up.
  ///
  /// What counts is the job as it is now: its end may have been corrected while the backend was asked.
  func noteCancel(of job: Job, actor: String, at time: Date) throws {
    let now = current(job) ?? job
    guard now.state.isTerminal else {
      apply(.cancelRequested(reason: "canceled by \(actor)"), to: now, actor: actor, at: time)
      return
    }
    guard now.isCorrectable, canceledLost.updateValue(actor, forKey: now.id) == nil else { return }
    let event = JobEvent(
      job: now.id, time: time, actor: actor, from: now.state, to: now.state, source: "weir",
      reason: "canceled by \(actor), though it is \(now.state.rawValue)")
    try record(event, of: now)
  }
}

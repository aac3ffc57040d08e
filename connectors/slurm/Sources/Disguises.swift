import ConnectorAPI
import JobModel
import Synchronization

/// What accounting said of jobs that have neither tag nor name any more: each is asked about until that is known.
final class Disguises: Sendable {
  private static let pause = Duration.seconds(15)

  private enum Verdict {
    case ours
    case foreign
    case open(next: ContinuousClock.Instant)
  }

  /// By the jobs' tokens.
  private let verdicts = Mutex<[String: Verdict]>([:])

  /// Those that accounting is to be asked about now. Of others than these jobs everything is forgotten.
  func due(_ jobs: [Job]) -> [Job] {
    verdicts.withLock { verdicts in
      guard !jobs.isEmpty || !verdicts.isEmpty else { return [] }
      let (now, known) = (ContinuousClock.now, verdicts)
      verdicts = [:]
      return jobs.filter { job in
        let verdict = known[job.submissionToken] ?? .open(next: now)
        guard case .open(let next) = verdict, next <= now else {
          verdicts[job.submissionToken] = verdict
          return false
        }
        verdicts[job.submissionToken] = .open(next: now + Self.pause)
        return true
      }
    }
  }

  func note(_ records: [SlurmRecord], of job: Job) {
    let records = records.filter { $0.id == job.backendID && $0.submittedAt.map(job.submitTimes.contains) ?? false }
    let isOurs = records.contains { $0.mark?.token == job.submissionToken }
    guard isOurs || records.contains(where: \.isForeign) else { return }
    verdicts.withLock { $0[job.submissionToken] = isOurs ? .ours : .foreign }
  }

  func isForeign(_ job: Job) -> Bool {
    verdicts.withLock { if case .foreign = $0[job.submissionToken] { true } else { false } }
  }
}

extension SlurmConnector {
  /// Asks accounting about the jobs that are known by nothing but id, account and time of submit. The line of the submit
  /// distinguishes a job of ours, whose user changed the rest, from another whose id sbatch, or its wrapper, answered.
  func examineDisguised(_ jobs: [Job], in snapshot: inout Snapshot) async {
    let shown = Dictionary(grouping: snapshot.reports, by: \.backendID)
    let disguised = jobs.filter { job in
      let likenesses = job.backendID.flatMap { shown[$0] }?.compactMap { $0.likeness(to: job) }
      return likenesses?.max() == .place
    }
    let due = disguises.due(disguised)
    let ids = due.prefix(1000).compactMap(\.backendID).joined(separator: ",")
    if !ids.isEmpty, let records = try? await accounting(["--jobs=" + ids], as: configuration.observer) {
      for job in due { disguises.note(records, of: job) }
    }
    let foreign = disguised.filter(disguises.isForeign)
    guard !foreign.isEmpty else { return }
    snapshot.strayIDs = Set(foreign.map(\.submissionToken))
    let strayIDs = Set(foreign.compactMap(\.backendID))
    snapshot.reports.removeAll { report in
      strayIDs.contains(report.backendID) && foreign.contains { report.likeness(to: $0) == .place }
    }
  }
}

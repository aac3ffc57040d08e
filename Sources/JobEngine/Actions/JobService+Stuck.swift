import Foundation
import JobModel
import Logging

// Jobs that do not go on, and what is done about them.
extension JobService {
  /// How long a job may be seen running after it was canceled until the cancel is sent again, the first time.
  private static let cancelPatience = Duration.seconds(5)

  /// Sends cancels again that had no effect, all at once, so that a shell that hangs holds up no other: an action is done when it is seen to be. A connector whose jobs wait here
  /// does so itself.
  func followCancels() async {
    guard !connector.queuesHere else { return }
    let open = ledger.cache.read { contents in
      contents.jobs.values.filter { job in
        guard job.state == .canceling, let timeline = contents.timelines[job.id], let seen = timeline.seen else {
          return false
        }
        return seen - timeline.entered >= Self.cancelPatience && !timeline.isCompleting
      }
    }
    let due = cancels.due(open, first: Self.cancelPatience, limit: 8)
    await withDiscardingTaskGroup { group in
      for job in due { group.addTask { await self.cancelAgain(job) } }
    }
  }

  private func cancelAgain(_ job: Job) async {
    do throws(BackendError) {
      logger.notice("\(job.key): canceled, but the backend still shows it: the cancel is sent again")
      try await connector.cancel(job)
      observer.poke()
    } catch {
      logger.warning("\(job.key): the cancel could not be sent again: \(error)")
    }
  }

  /// Jobs that have been in doubt, unknown, or running after a cancel for a while, a sentence each.
  var stuck: [String] {
    let (clock, patience) = (configuration.clock, configuration.stuckAfter)
    let found = ledger.cache.read { contents in
      contents.jobs.values.compactMap { job -> (since: ContinuousClock.Instant, words: String)? in
        guard !job.state.isTerminal, let timeline = contents.timelines[job.id],
          let (since, words) = Self.obstacle(job, timeline), clock.now - since >= patience
        else { return nil }
        let id = job.backendID.map { " (\($0))" } ?? ""
        let seconds = (clock.now - since).components.seconds
        return (since, "job \(job.key)\(id) \(words) for \(seconds) s\(job.reason.isEmpty ? "" : ": \(job.reason)")")
      }
    }
    guard !found.isEmpty else { return [] }
    let shown = found.sorted { $0.since < $1.since }.prefix(20).map(\.words)
    let more = found.count > shown.count ? ["and \(found.count - shown.count) more jobs like these"] : []
    return shown + more
  }

  private static func obstacle(_ job: Job, _ timeline: Timeline) -> (ContinuousClock.Instant, String)? {
    if job.inDoubtSince != nil { return (timeline.known, "has been in doubt") }
    if job.state == .canceling { return (timeline.entered, "has been canceling") }
    return timeline.unknown.map { ($0, "has been unknown") }
  }
}

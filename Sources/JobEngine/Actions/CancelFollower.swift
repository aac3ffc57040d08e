import ConnectorAPI
import JobModel
import Logging

/// Sends cancels again that had no effect: a cancel is done when the job is seen to be over, or about to be.
final class CancelFollower: Sendable {
  /// How long a job may be seen running after it was canceled until the cancel is sent again, the first time.
  private static let patience = Duration.seconds(5)

  private let connector: any Connector
  private let ledger: Ledger
  private let polls: PollState
  private let logger: Logger
  private let retries: Retries

  init(connector: any Connector, ledger: Ledger, polls: PollState, logger: Logger) {
    (self.connector, self.ledger, self.polls, self.logger) = (connector, ledger, polls, logger)
    retries = Retries(longestPause: .seconds(300), clock: ledger.clock)
  }

  /// Sends those again that are due, all at once, so that a shell that hangs holds up no other. A connector whose jobs
  /// wait here does so itself.
  func sendDue() async {
    guard !connector.has(.ownQueue) else { return }
    let open = ledger.cache.read { contents in
      contents.jobs.values.filter { job in
        guard job.state == .canceling, let timeline = contents.timelines[job.id], let seen = timeline.seen else {
          return false
        }
        return seen - timeline.entered >= Self.patience && !timeline.isCompleting
      }
    }
    let due = retries.due(open, first: Self.patience, limit: 8)
    await withDiscardingTaskGroup { group in
      for job in due { group.addTask { await self.send(job) } }
    }
  }

  private func send(_ job: Job) async {
    do throws(BackendError) {
      logger.notice("\(job.key): canceled, but the backend still shows it: the cancel is sent again")
      try await connector.cancel(job)
      polls.poke()
    } catch {
      logger.warning("\(job.key): the cancel could not be sent again: \(error)")
    }
  }
}

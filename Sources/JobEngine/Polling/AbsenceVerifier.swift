import ConnectorAPI
import JobModel
import Logging

/// Asks for jobs that polls do not show in another way, before that may mean that they are lost.
final class AbsenceVerifier: Sendable {
  private let connector: any Connector
  private let reconciler: Reconciler
  private let clock: JobClock
  private let pollInterval: Duration
  private let logger: Logger
  private let retries: Retries

  init(
    connector: any Connector, reconciler: Reconciler, configuration: JobService.Configuration, logger: Logger
  ) {
    (self.connector, self.reconciler, self.logger) = (connector, reconciler, logger)
    (clock, pollInterval) = (configuration.clock, configuration.pollInterval)
    retries = Retries(longestPause: .seconds(300), clock: configuration.clock)
  }

  /// Asks for those whose turn it is, at once, each as its own account.
  func verifyDue() async {
    let due = retries.due(reconciler.doubtful, first: pollInterval, limit: 8)
    await withDiscardingTaskGroup { group in
      for job in due { group.addTask { await self.verify(job) } }
    }
  }

  private func verify(_ job: Job) async {
    let found: JobReport?
    do throws(BackendError) { found = try await connector.find(job.dated(by: clock), timeout: .seconds(10)) } catch {
      logger.debug("\(job.key): not in the queue, and other queries failed: \(error)")
      return await reconciler.noteDoubt(about: job, "not in the queue, and its end cannot be found: \(error)")
    }
    let time = clock.date
    guard let found, found.shows(job) else { return await reconciler.believeAbsence(of: job, at: time) }
    await reconciler.contradictAbsence(of: job, by: found, at: time)
  }
}

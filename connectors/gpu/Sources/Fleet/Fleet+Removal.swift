import JobModel
import Jobs

extension Fleet {
  /// Removes what a job has left on its server, and what attempts that were put back have left on others.
  /// - Parameters:
  ///   - home: the agent of its server; nil where that is gone.
  ///   - agents: all agents.
  ///   - keepingWork: whether the files of the job stay, and only the rest goes.
  /// - Throws: the first failure, once all servers were tried.
  static func remove(
    _ job: Job, from home: ServerAgent?, and agents: [Agent], keepingWork: Bool
  ) async throws(BackendError) {
    var places = home.map { [$0] } ?? []
    if job.attempt > 1 {
      // What no file names and nobody reaches may never come back.
      places += agents.filter { $0.isListed || $0.agent.status.value.failure == nil }.map(\.agent)
        .filter { $0.name != job.nodes.first }
    }
    var failure: BackendError?
    for agent in places {
      do throws(BackendError) { try await agent.remove(job, keepingWork: keepingWork) } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }
}

import JobModel
import Jobs

extension Fleet {
  /// Removes what a job has left on its server, and what attempts that were put back have left on others.
  /// - Parameters:
  ///   - home: the controller of its server; nil where that is gone.
  ///   - controllers: all controllers.
  ///   - keepingWork: whether the files of the job stay, and only the rest goes.
  /// - Throws: the first failure, once all servers were tried.
  static func remove(
    _ job: Job, from home: ServerController?, and controllers: [Member], keepingWork: Bool
  ) async throws(BackendError) {
    var places = home.map { [$0] } ?? []
    if job.attempt > 1 {
      // What no file names and nobody reaches may never come back.
      places += controllers.filter { $0.isListed || $0.controller.status.value.failure == nil }.map(\.controller)
        .filter { $0.name != job.nodes.first }
    }
    var failure: BackendError?
    for controller in places {
      do throws(BackendError) { try await controller.files.remove(job, keepingWork: keepingWork) } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }
}

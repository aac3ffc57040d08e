import ConnectorAPI
import Foundation
import JobModel

/// The files that jobs have made.
struct ResultFiles: Sendable {
  private static let mostGlobs = 100

  let connector: any Connector
  let outputs: OutputKeeper
  let serviceTime: ServiceTime
  /// Seconds for which files are kept after a job's output went.
  let keptFor: TimeInterval

  /// See ``JobService/results(of:matching:withOutput:onMatched:onOutput:)``.
  func archive(
    of job: Job, matching globs: [String], withOutput: Bool, onMatched: @escaping @Sendable (Int) async throws -> Void,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let globs = try await check(globs, of: job)
    let hasOutput = try await outputs.retention(of: job)?.expiredAt == nil
    do {
      try await connector.streamingFiles.results(
        of: job, matching: globs, withOutput: withOutput && hasOutput, onMatched: onMatched, onOutput: onOutput)
    } catch let error as BackendError {
      throw JobError(error)
    }
  }

  /// The same files' paths, sizes and times, some at a time, in no order.
  func list(
    of job: Job, matching globs: [String], onFiles: @escaping @Sendable ([JobFile]) async throws -> Void
  ) async throws {
    let globs = try await check(globs, of: job)
    do { try await connector.streamingFiles.files(of: job, matching: globs, onFiles: onFiles) } catch let error
      as BackendError
    {
      throw JobError(error)
    }
  }

  private func check(_ globs: [String], of job: Job) async throws(JobError) -> [ResultGlob] {
    guard globs.count <= Self.mostGlobs else { throw .refused("glob: expected at most \(Self.mostGlobs)") }
    var checked: [ResultGlob] = []
    for glob in globs { checked.append(try ResultGlob(glob)) }
    guard !job.nodes.isEmpty else { throw .notStarted(job.key, job.state) }
    if job.state.isTerminal, let retention = try await outputs.retention(of: job),
      !retention.hasFiles(at: serviceTime.now, keptFor: keptFor)
    {
      throw .expired(job.key, job.state)
    }
    return checked
  }
}

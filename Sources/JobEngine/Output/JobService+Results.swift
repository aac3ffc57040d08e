import Foundation
import JobModel

extension JobService {
  /// Files of a job as a tar.gz, also while it runs, handed on as it comes: any size in constant memory.
  ///
  /// The archive is made by the tar of the machine that the job ran on, and not by ours: what is packed is packed where it
  /// lies, and so crosses the network compressed; links, sparse files and names of any bytes are its daily bread; and it
  /// reads files that are being written to. Its names are `work/...`, `stdout` and `stderr`.
  /// - Parameters:
  ///   - globs: which files; see ``ResultGlob``. None for all.
  ///   - withOutput: whether what the job has printed is in it too.
  ///   - onMatched: gets the number of files, before the first bytes; without any the archive is a valid empty one.
  ///   - onOutput: gets the next bytes. While it takes its time, the machine waits.
  /// - Throws: a ``JobError``, or what a closure has thrown. ``JobError/notStarted(_:_:)`` of a job that waits.
  public func results(
    of job: Job, matching globs: [String] = [], withOutput: Bool = false,
    onMatched: @escaping @Sendable (Int) async throws -> Void = { _ in },
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let globs = try await resultGlobs(globs, of: job)
    let hasOutput = try await retention(of: job)?.expiredAt == nil
    do {
      try await connector.results(
        of: job, matching: globs, withOutput: withOutput && hasOutput, onMatched: onMatched, onOutput: onOutput)
    } catch let error as BackendError {
      throw JobError(error)
    }
  }

  /// The same files' paths, sizes and times, some at a time, in no order.
  public func files(
    of job: Job, matching globs: [String] = [], onFiles: @escaping @Sendable ([JobFile]) async throws -> Void
  ) async throws {
    let globs = try await resultGlobs(globs, of: job)
    do { try await connector.files(of: job, matching: globs, onFiles: onFiles) } catch let error as BackendError {
      throw JobError(error)
    }
  }

  private func resultGlobs(_ globs: [String], of job: Job) async throws(JobError) -> [ResultGlob] {
    guard globs.count <= 100 else { throw .refused("glob: expected at most 100") }
    var checked: [ResultGlob] = []
    for glob in globs { checked.append(try ResultGlob(glob)) }
    guard !job.nodes.isEmpty else { throw .notStarted(job.key, job.state) }
    if job.state.isTerminal, let retention = try await retention(of: job),
      !retention.hasFiles(at: ledger.serviceTime.now, keptFor: configuration.keepFiles)
    {
      throw .expired(job.key, job.state)
    }
    return checked
  }
}

/// A file that a job has made.
public struct JobFile: Sendable, Equatable {
  /// Below the job's directory; bytes, since a file name need not be UTF-8.
  public let path: [UInt8]
  /// Bytes.
  public let size: Int
  /// Seconds since 1970.
  public let modified: Int

  public init(path: [UInt8], size: Int, modified: Int) {
    self.path = path
    self.size = size
    self.modified = modified
  }
}

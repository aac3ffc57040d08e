import JobModel

// What is read of a job, and removed of it.

/// A connector that can say in the backend's own words what it knows of a job (``Capability/describing``).
public protocol DescribingConnector: Connector {
  /// The backend's own account of the job, as text for people.
  func describe(_ job: Job) async throws(BackendError) -> String
}

/// A connector that can read what jobs print (``Capability/readingOutput``).
public protocol OutputReadingConnector: Connector {
  /// The last lines of the job's output; empty when it has written nothing yet.
  func output(_ job: Job, lines: Int) async throws(BackendError) -> [UInt8]

  /// How many bytes the job has printed in all; nil where that cannot be said.
  func outputSize(_ job: Job) async throws(BackendError) -> Int?
}

extension OutputReadingConnector {
  public func outputSize(_ job: Job) async throws(BackendError) -> Int? { nil }
}

/// A connector that can remove the output of ended jobs (``Capability/removingOutput``).
public protocol OutputRemovingConnector: Connector {
  /// Removes the output of a job that is over. Not an error when there is none any more.
  func removeOutput(_ job: Job) async throws(BackendError)
}

/// A connector that can send the files that jobs make (``Capability/streamingFiles``).
public protocol FileStreamingConnector: Connector {
  /// Files of a job that has started, as a tar.gz whose names are `work/...`, `stdout` and `stderr`.
  /// - Parameters:
  ///   - globs: which files; none for all.
  ///   - withOutput: whether what the job has printed is in it too.
  ///   - onMatched: gets the number of files, before the first bytes; without any the archive is a valid empty one.
  ///   - onOutput: gets the next bytes. While it takes its time, the machine waits.
  /// - Throws: a ``BackendError``, or what a closure has thrown.
  func results(
    of job: Job, matching globs: [ResultGlob], withOutput: Bool,
    onMatched: @escaping @Sendable (Int) async throws -> Void,
    onOutput: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws

  /// Paths, sizes and times of the files, some at a time, in no order.
  /// - Throws: a ``BackendError``, or what the closure has thrown.
  func files(
    of job: Job, matching globs: [ResultGlob], onFiles: @escaping @Sendable ([JobFile]) async throws -> Void
  ) async throws
}

/// A connector that keeps the files of a job until Weir removes them (``Capability/keepingFiles``).
public protocol FileKeepingConnector: Connector {
  /// Removes the files of a job that is over, after its output. Not an error when there are none any more.
  func removeFiles(_ job: Job) async throws(BackendError)
}

/// A connector that can list directories of the place where jobs run (``Capability/listingDirectories``).
public protocol DirectoryListingConnector: Connector {
  /// What lies in a directory of the cluster that is, once every symbolic link is resolved, one of `roots` or below one.
  /// - Parameters:
  ///   - path: absolute; the entries' paths begin with it as it is given.
  ///   - account: whose rights count; nil for the account that polls.
  ///   - roots: absolute directories.
  /// - Throws: ``BackendError/notFound(_:)`` when there is no such directory, also for one that leads elsewhere or that
  ///   the account may not read.
  func list(_ path: String, account: String?, roots: [String]) async throws(BackendError) -> [DirectoryEntry]
}

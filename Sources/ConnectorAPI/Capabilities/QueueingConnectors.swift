import Foundation
import JobModel

// How jobs wait and start, and what the backend remembers of them.

/// A connector that finds machines for its jobs itself, which wait in Weir's own queue (``Capability/ownQueue``).
///
/// The engine keeps what such a job is run by, encrypted, until it is over, and hands it out by the board. It asks
/// ``Connector/find(_:timeout:)`` only for jobs that have no machine, and for those that snapshots show as missing.
public protocol QueueingConnector: Connector {
  /// Works on the jobs of a board until the task is cancelled.
  func work(on board: any JobBoard) async
}

/// A connector whose jobs can come with an archive that is unpacked where they run (``Capability/stagingInputs``).
///
/// It reads the archive by ``JobBoard/input(of:)`` and unpacks it into the job's directory before the job starts.
public protocol InputStagingConnector: Connector {}

/// A connector that can show ended jobs to a store that was lost (``Capability/recovering``). Those in the queue are in
/// every poll.
public protocol RecoveringConnector: Connector {
  /// The tagged jobs that ended since then. A lost store is rebuilt from them.
  func recover(since: Date) async throws(BackendError) -> [JobReport]

  /// The job with a mark that has that id and name, in every record that the backend keeps.
  func recover(_ key: JobKey, backendID: String) async throws(BackendError) -> JobReport?
}

/// A connector that may learn the exit code of a job some time after its end (``Capability/delayedExitCodes``): jobs that
/// ended without one are polled for a while longer.
public protocol DelayedExitCodeConnector: Connector {}
